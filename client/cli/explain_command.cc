#include <memory>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "client/cli/build_ids.h"
#include "client/cli/commands.h"
#include "client/cli/explanation.h"
#include "client/cli/session.h"
#include "client/lib/build_follower.h"

namespace zlayer {
namespace {

absl::Status Explain(Session& session, const std::string& id) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::WatchBuildRequest request;
  request.set_build_id(id);
  request.set_no_follow(true);
  Explanation explanation;
  RETURN_IF_ERROR(FollowBuild(
                      *connection, request,
                      [&](const v1::BuildEvent& event) { explanation.Add(event); }, FollowOptions(),
                      session.stop())
                      .status());
  Print(explanation.Text());
  return absl::OkStatus();
}

}  // namespace

void AddExplainCommand(Command& root) {
  Command explain =
      root.Sub("explain", "Say why each step of a build ran, or did not", "zlayer explain @latest");
  auto ids = std::make_shared<std::vector<std::string>>();
  AddBuildIds(explain, ids.get());
  explain.Run([ids](Session& session) {
    return ForEachBuild(session, *ids, [&](const std::string& id) { return Explain(session, id); });
  });
}

}  // namespace zlayer
