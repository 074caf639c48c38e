// The flags of one instruction: `COPY --from=build --link ...`.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_FLAGS_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_FLAGS_H_

#include <absl/status/statusor.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/lexer.h"

namespace zlayer {

struct FlagSpec {
  enum Kind { kText, kBoolean, kRepeated };
  std::string_view name;
  Kind kind = kText;
};

class InstructionFlags {
 public:
  // kInvalidArgument: a flag that `known` does not name, one that is given twice and may not be,
  // one without its value, or with something else than true or false.
  static absl::StatusOr<InstructionFlags> Parse(const DockerfileNode& node,
                                                const std::vector<FlagSpec>& known);

  // The value; empty where the flag is not there. A boolean flag's is "true" or "false".
  std::string Get(std::string_view name) const;
  // All values of a flag that may be repeated.
  std::vector<std::string> GetAll(std::string_view name) const;
  // Of a boolean flag; nullopt where it is not there.
  std::optional<bool> GetBoolean(std::string_view name) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_INSTRUCTION_FLAGS_H_
