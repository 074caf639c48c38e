#include "client/cli/build_ids.h"

#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr std::string_view kLatest = "@latest";
constexpr uint32_t kPage = 1000;

absl::StatusOr<std::string> LatestBuild(Session& session) {
  std::string id;
  v1::ListBuildsRequest request;
  request.set_namespace_(session.name_space());
  request.set_page_size(1);
  RETURN_IF_ERROR(ListBuilds(session, std::move(request), [&id](const v1::BuildStatus& build) {
    id = build.id();
    return false;
  }));
  if (id.empty()) {
    return NotFound("there is no build yet");
  }
  return id;
}

absl::StatusOr<std::string> FindByPrefix(Session& session, const std::string& text,
                                         const absl::Status& not_found) {
  std::vector<std::string> found;
  v1::ListBuildsRequest request;
  request.set_namespace_(session.name_space());
  request.set_page_size(kPage);
  RETURN_IF_ERROR(ListBuilds(session, std::move(request), [&](const v1::BuildStatus& build) {
    if (build.id().starts_with(text)) {
      found.push_back(build.id());
    }
    return found.size() < 3;
  }));
  if (found.empty()) {
    return not_found;
  }
  if (found.size() > 1) {
    return InvalidArgument(
        fmt::format("several builds begin with \"{}\": {}{}; give more of the id", text,
                    Join({found[0], found[1]}, ", "), found.size() > 2 ? ", ..." : ""));
  }
  return found.front();
}

}  // namespace

absl::Status ListBuilds(Session& session, v1::ListBuildsRequest request,
                        const std::function<bool(const v1::BuildStatus&)>& sink) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  while (true) {
    ASSIGN_OR_RETURN(
        v1::ListBuildsResponse response,
        Call(*connection, connection->builds(), &v1::BuildService::StubInterface::ListBuilds,
             request, kCallTimeout, session.stop()));
    for (const v1::BuildStatus& build : response.builds()) {
      if (!sink(build)) {
        return absl::OkStatus();
      }
    }
    if (response.next_page_token().empty()) {
      return absl::OkStatus();
    }
    request.set_page_token(response.next_page_token());
  }
}

absl::StatusOr<std::string> ResolveBuildId(Session& session, const std::string& text) {
  if (text.empty() || !IsUtf8(text)) {
    return UsageError(fmt::format("\"{}\" is no id of a build", ToUtf8(text)));
  }
  if (text == kLatest) {
    return LatestBuild(session);
  }
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::GetBuildRequest request;
  request.set_build_id(text);
  auto build = Call(*connection, connection->builds(), &v1::BuildService::StubInterface::GetBuild,
                    request, kCallTimeout, session.stop());
  if (absl::IsNotFound(build.status())) {
    return FindByPrefix(session, text, build.status());
  }
  RETURN_IF_ERROR(build.status());
  return build->id();
}

absl::Status ForEachBuild(Session& session, const std::vector<std::string>& texts,
                          const std::function<absl::Status(const std::string& id)>& action) {
  return ForEachId(session, texts, ResolveBuildId, action);
}

absl::Status ForEachId(Session& session, const std::vector<std::string>& texts,
                       const IdResolver& resolve,
                       const std::function<absl::Status(const std::string& id)>& action) {
  absl::Status last;
  for (const std::string& text : texts) {
    auto id = resolve(session, text);
    absl::Status status = id.ok() ? action(*id) : id.status();
    if (status.ok()) {
      continue;
    }
    if (!last.ok()) {
      PrintError(Message(last));
    }
    last = std::move(status);
    if (absl::IsUnavailable(last) || session.stop().stop_requested()) {
      break;
    }
  }
  return last;
}

}  // namespace zlayer
