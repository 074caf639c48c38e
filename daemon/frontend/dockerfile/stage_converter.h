// The instructions of one stage to operations of the graph.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_CONVERTER_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_CONVERTER_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "daemon/frontend/dockerfile/instruction_scope.h"
#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

class StageConverter {
 public:
  StageConverter(const ConvertScope& scope, StageState* state) : scope_(scope), state_(state) {}

  // The operation of an instruction other than FROM, applied to the state. Errors have no source
  // yet. kInvalidArgument, kUnimplemented, or what `resolve_from` said.
  absl::StatusOr<v1::Operation> Convert(const Instruction& instruction);

 private:
  class Visitor;

  const ConvertScope& scope_;
  StageState* state_;
};

// Sets what users see of an instruction in an operation: its text, its source and `created_by`.
void Describe(const Instruction& instruction, std::string_view created_by,
              v1::Operation* operation);

// The name of a field of the operation that must be UTF-8 and is not; empty for none.
std::string FindInvalidUtf8(const google::protobuf::Message& message);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_CONVERTER_H_
