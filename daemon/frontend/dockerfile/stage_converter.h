// The instructions of one stage to operations of the graph.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_CONVERTER_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_CONVERTER_H_

#include <absl/status/statusor.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/dockerfile/stage_state.h"
#include "zlayer/v1/events.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// What all stages of a file share. Not owned; outlives the converters.
struct ConvertScope {
  char escape = '\\';
  const std::map<std::string, std::string>* build_args = nullptr;
  const Variables* global_args = nullptr;  // what ARG without a value means
  // What COPY --from=TEXT means in a stage.
  std::function<absl::StatusOr<v1::Input>(const std::string& text)> resolve_from;
  std::vector<v1::Warning>* warnings = nullptr;
};

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

// At most this many warnings are kept for a file.
inline constexpr size_t kMaxWarnings = 200;

void AddWarning(std::string_view rule, std::string_view message, const v1::SourceRange& source,
                std::vector<v1::Warning>* warnings);

// Sets what users see of an instruction in an operation: its text, its source and `created_by`.
void Describe(const Instruction& instruction, std::string_view created_by,
              v1::Operation* operation);

// The name of a field of the operation that must be UTF-8 and is not; empty for none.
std::string FindInvalidUtf8(const google::protobuf::Message& message);

// Names that BuildKit lets RUN use without ARG: HTTP_PROXY, http_proxy, NO_PROXY, ...
bool IsProxyArgument(std::string_view name);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_STAGE_CONVERTER_H_
