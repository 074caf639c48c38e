// What an instruction sees of the stage that it stands in.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_STATE_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_STATE_H_

#include <absl/status/statusor.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// Variables in the order in which they were first set.
class Variables {
 public:
  // Of names that differ in case alone, which are one on Windows, the first one set is kept.
  void IgnoreCase() { ignore_case_ = true; }

  void Set(std::string_view name, std::string_view value);
  std::optional<std::string> Get(std::string_view name) const;
  // As it was set first; as it is where it was not set.
  std::string NameOf(std::string_view name) const;
  const std::vector<NameValue>& entries() const { return entries_; }

 private:
  std::string KeyOf(std::string_view name) const;

  bool ignore_case_ = false;
  std::vector<NameValue> entries_;
  std::map<std::string, size_t, std::less<>> index_;  // of entries_, by key
};

// Bounds of what a stage may come to, whatever a file multiplies.
inline constexpr size_t kMaxStageBytes = 4 << 20;
inline constexpr size_t kMaxVariables = 10'000;
inline constexpr size_t kMaxLabels = 10'000;
inline constexpr size_t kMaxVolumes = 10'000;
inline constexpr size_t kMaxPorts = 1 << 16;

// A stage that is based on another one starts with a copy of its state.
struct StageState {
  v1::ImageConfig config;  // but for its environment, which is in `variables`
  bool command_is_own = false;
  // What commands run with and words expand: the configuration's environment, and arguments.
  // Whatever of ENV and ARG set a variable last counts.
  Variables variables;
  Variables arguments;  // declared by ARG, with or without a value; values are in `variables`
  size_t bytes = 0;     // of the operations that led here
  bool is_windows = false;
  bool is_nanoserver = false;  // it begins, maybe over other stages, with an image of that name

  // The state at the start of a stage that has this configuration, on this system.
  static StageState FromConfig(const v1::ImageConfig& config, std::string_view os);

  // Applies a change to the configuration and, for a variable, to the variables.
  void Apply(const v1::ConfigChange& change);

  // As the graph has it: absolute, clean, with '/'. kInvalidArgument: on Windows, a path that no
  // image has.
  absl::StatusOr<std::string> working_directory() const;

  // The command as it is executed: behind the stage's shell where it is for a shell.
  std::vector<std::string> WithShell(const CommandLine& command) const;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_STATE_H_
