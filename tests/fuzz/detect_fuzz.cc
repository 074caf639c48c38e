// The first line is the names of a project's files, split at blanks; the rest is the text of each.
// What is found is a template, with a reason that a message can hold.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "daemon/frontend/template/detect.h"
#include "tests/fuzz/check.h"

namespace {

class FuzzedProject : public zlayer::ProjectFiles {
 public:
  explicit FuzzedProject(std::string_view input)
      : names_(input.substr(0, input.find('\n'))),
        text_(input.substr(std::min(names_.size() + 1, input.size()))) {}

  absl::StatusOr<std::vector<std::string>> Names() override {
    std::vector<std::string> names;
    for (std::string_view name : zlayer::Split(names_, ' ')) {
      names.emplace_back(name);
    }
    return names;
  }
  absl::StatusOr<std::string> Read(const std::string&) override { return std::string(text_); }

 private:
  const std::string_view names_;
  const std::string_view text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedProject project({reinterpret_cast<const char*>(data), size});
  const auto found = zlayer::DetectRuntime(project);
  if (found.ok()) {
    FUZZ_CHECK(found->runtime != nullptr);
    FUZZ_CHECK(!found->reason.empty() && zlayer::IsUtf8(found->reason));
  } else {
    FUZZ_CHECK(absl::IsFailedPrecondition(found.status()) || absl::IsUnimplemented(found.status()));
  }
  return 0;
}
