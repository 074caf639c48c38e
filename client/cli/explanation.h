// Why each step of a build ran, or did not, as a table.
#ifndef ZLAYER_CLIENT_CLI_EXPLANATION_H_
#define ZLAYER_CLIENT_CLI_EXPLANATION_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "zlayer/v1/events.pb.h"

namespace zlayer {

// Collects what the events of a build say of its steps. Not thread-safe.
class Explanation {
 public:
  // Events come in order, each once.
  void Add(const v1::BuildEvent& event);
  // A line for each step that was begun, in the order of the plan: also for those that run, failed
  // or were canceled.
  std::string Text() const;

 private:
  struct Step {
    bool complete = false;
    std::string state;  // "cached", "ran 0.4s", "failed"
    std::string reason;
    v1::SourceRange source;
  };

  void Failed(const v1::SourceRange& culprit);
  void EndRunning(const std::string& state);

  std::map<uint32_t, v1::PlannedStage> stages_;
  std::map<std::pair<uint32_t, uint32_t>, Step> steps_;  // by stage and index
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_EXPLANATION_H_
