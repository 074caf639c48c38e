#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "client/cli/build_ids.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/cli/trace_json.h"
#include "client/lib/output_file.h"

namespace zlayer {
namespace {

struct Options {
  std::string build;
  std::string output;
};

absl::StatusOr<std::vector<v1::Span>> FetchSpans(Session& session, const std::string& id) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::GetTraceRequest request;
  request.set_build_id(id);
  grpc::ClientContext context;
  CancelOnStop cancel(session.stop(), &context);
  auto stream = connection->builds().GetTrace(&context, request);
  std::vector<v1::Span> spans;
  for (v1::Span span; stream->Read(&span);) {
    spans.push_back(std::move(span));
  }
  if (grpc::Status status = stream->Finish(); !status.ok()) {
    return connection->Explain(status);
  }
  return spans;
}

absl::Status Trace(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const std::string id, ResolveBuildId(session, options.build));
  ASSIGN_OR_RETURN(std::vector<v1::Span> spans, FetchSpans(session, id));
  const std::string json = TraceJson(id, std::move(spans));
  if (options.output.empty() || options.output == "-") {
    Print(json);
    return absl::OkStatus();
  }
  return WriteOutput(options.output, json);
}

}  // namespace

void AddTraceCommand(Command& root) {
  Command trace = root.Sub("trace", "Say where the time of a build went, for Perfetto and Chrome",
                           "zlayer trace -o trace.json @latest");
  auto options = std::make_shared<Options>();
  trace
      .Argument(
          {"ID", "", "Id of a build, or its begin; @latest for the newest", Completes::kBuild},
          &options->build)
      .Option(
          {"-o,--output", "FILE", "Where to write the JSON (default: stdout)", Completes::kFile},
          &options->output);
  trace.Run([options](Session& session) { return Trace(session, *options); });
}

}  // namespace zlayer
