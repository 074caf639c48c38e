#include "daemon/frontend/build_file_choice.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "base/errors.h"
#include "base/strings.h"
#include "daemon/frontend/zimagefile/file_name.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr char kZImagefile[] = "ZImagefile";

bool IsCandidate(const std::string& name) {
  return IsZImagefileName(name) && !name.ends_with(".dockerignore") && IsUtf8(name);
}

}  // namespace

absl::StatusOr<std::string> ChooseBuildFile(std::vector<std::string> names,
                                            std::string_view advice) {
  std::erase_if(names, [](const std::string& name) { return !IsCandidate(name); });
  std::sort(names.begin(), names.end());
  if (names.empty()) {
    return "Dockerfile";
  }
  if (names.size() == 1 || names.front() == kZImagefile) {
    return names.front();
  }
  v1::ErrorDetail detail;
  detail.set_reason("AMBIGUOUS_BUILD_FILE");
  detail.mutable_items()->Add(names.begin(), names.end());
  return WithDetail(InvalidArgument(fmt::format("there are several ZImagefiles: {}; {}",
                                                Join(names, ", "), advice)),
                    detail);
}

}  // namespace zlayer
