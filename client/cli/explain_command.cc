#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "client/cli/build_ids.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/lib/build_follower.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Collects what the events of a build say of its steps.
class Explanation {
 public:
  void Add(const v1::BuildEvent& event) {
    if (event.has_build_plan()) {
      rows_ = {{"STEP", "", "WHY", "INSTRUCTION"}};
      stages_.clear();
      for (const v1::PlannedStage& stage : event.build_plan().stages()) {
        stages_[stage.index()] = stage;
      }
    } else if (event.has_instruction_complete()) {
      Complete(event.instruction_complete());
    }
  }

  std::string Text() const { return FormatTable(rows_); }

 private:
  void Complete(const v1::InstructionComplete& complete) {
    const auto stage = stages_.find(complete.stage());
    if (stage == stages_.end() ||
        complete.index() >= static_cast<uint32_t>(stage->second.instructions_size())) {
      return;
    }
    rows_.push_back({StepPlace(stages_, complete.stage(), complete.index()),
                     complete.cached() ? "cached" : fmt::format("ran {:.1f}s", complete.seconds()),
                     complete.reason(),
                     stage->second.instructions(static_cast<int>(complete.index()))});
  }

  std::map<uint32_t, v1::PlannedStage> stages_;
  Rows rows_ = {{"STEP", "", "WHY", "INSTRUCTION"}};
};

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
