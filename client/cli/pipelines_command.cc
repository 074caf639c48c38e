#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/build_ids.h"
#include "client/cli/outcome.h"
#include "client/cli/pipeline_commands.h"
#include "client/cli/pipeline_show.h"
#include "client/cli/session.h"
#include "client/cli/terminal.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

using Stub = v1::PipelineService::StubInterface;

constexpr int32_t kMaxPage = 1000;

template <typename Request, typename Response>
absl::StatusOr<Response> Ask(Session& session,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                             const Request& request) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(const std::unique_ptr<Stub> stub, MakePipelineStub(*connection));
  return Call(*connection, *stub, method, request, kCallTimeout, session.stop());
}

// Newest first, page by page, until `sink` answers false or there are no more.
absl::Status ListPipelines(Session& session, int32_t page_size,
                           const std::function<bool(const v1::PipelineStatus&)>& sink) {
  v1::ListPipelinesRequest request;
  request.set_namespace_(session.name_space());
  request.set_page_size(static_cast<uint32_t>(std::min(page_size, kMaxPage)));
  while (true) {
    ASSIGN_OR_RETURN(const v1::ListPipelinesResponse response,
                     Ask(session, &Stub::ListPipelines, request));
    for (const v1::PipelineStatus& pipeline : response.pipelines()) {
      if (!sink(pipeline)) {
        return absl::OkStatus();
      }
    }
    if (response.next_page_token().empty()) {
      return absl::OkStatus();
    }
    request.set_page_token(response.next_page_token());
  }
}

absl::StatusOr<v1::PipelineStatus> GetPipeline(Session& session, const std::string& id) {
  v1::GetPipelineRequest request;
  request.set_pipeline_id(id);
  return Ask(session, &Stub::GetPipeline, request);
}

// As ResolveBuildId.
absl::StatusOr<std::string> ResolvePipelineId(Session& session, const std::string& text) {
  if (text.empty() || !IsUtf8(text)) {
    return UsageError(fmt::format("\"{}\" is no id of a pipeline", ToUtf8(text)));
  }
  const bool latest = text == "@latest";
  if (!latest) {
    const absl::StatusOr<v1::PipelineStatus> exact = GetPipeline(session, text);
    if (exact.ok()) {
      return exact->id();
    }
    if (!absl::IsNotFound(exact.status())) {
      return exact.status();
    }
  }
  std::vector<std::string> found;
  RETURN_IF_ERROR(
      ListPipelines(session, latest ? 1 : kMaxPage, [&](const v1::PipelineStatus& pipeline) {
        if (latest || pipeline.id().starts_with(text)) {
          found.push_back(pipeline.id());
        }
        return found.size() < (latest ? 1 : 2);
      }));
  if (found.empty()) {
    return NotFound(latest ? "there is no pipeline yet"
                           : fmt::format("pipeline \"{}\" is not known", text));
  }
  if (found.size() > 1) {
    return InvalidArgument(fmt::format(
        "several pipelines begin with \"{}\": {}; give more of the id", text, Join(found, ", ")));
  }
  return found.front();
}

absl::Status ForEachPipeline(Session& session, const std::vector<std::string>& texts,
                             const std::function<absl::Status(const std::string& id)>& action) {
  return ForEachId(session, texts, ResolvePipelineId, action);
}

void AddPipelineIds(Command& command, std::vector<std::string>* ids) {
  command.Arguments({"ID", "", "Id of a pipeline, or its begin; @latest for the newest"}, ids);
}

std::string DurationOf(const v1::PipelineStatus& pipeline) {
  return pipeline.has_ended()
             ? fmt::format("{:.1f}s", SecondsBetween(pipeline.created(), pipeline.ended()))
             : "-";
}

absl::Status List(Session& session, int32_t limit, bool json) {
  std::vector<std::vector<std::string>> rows = {
      {"ID", "STATE", "CREATED", "DURATION", "IMAGES", "TITLE"}};
  RETURN_IF_ERROR(ListPipelines(session, limit, [&](const v1::PipelineStatus& pipeline) {
    if (json) {
      Print(ToJson(pipeline) + "\n");
    } else {
      rows.push_back({pipeline.id(), NameOf(pipeline.state()), FormatTimestamp(pipeline.created()),
                      DurationOf(pipeline), fmt::format("{}", pipeline.images_size()),
                      pipeline.title()});
    }
    return --limit > 0;
  }));
  if (!json) {
    const size_t title = rows.front().size() - 1;
    Print(FitTable(std::move(rows), title, TerminalWidth()));
  }
  return absl::OkStatus();
}

std::string Describe(const v1::PipelineStatus& pipeline) {
  std::string text = FormatTable({{"Id:", pipeline.id()},
                                  {"State:", NameOf(pipeline.state())},
                                  {"Title:", pipeline.title()},
                                  {"Namespace:", pipeline.namespace_()},
                                  {"Created:", FormatTimestamp(pipeline.created())},
                                  {"Ended:", FormatTimestamp(pipeline.ended())},
                                  {"Duration:", DurationOf(pipeline)}});
  text += "\n" + PipelineTable(pipeline, TerminalWidth());
  std::vector<std::vector<std::string>> notes;
  for (const v1::PipelineImageStatus& image : pipeline.images()) {
    if (!image.build_id().empty()) {
      notes.push_back({image.name() + ":", "build " + image.build_id()});
    }
    if (image.has_failure() || !image.reason().empty()) {
      notes.push_back({image.name() + ":", DescribeImageState(image)});
    }
  }
  return notes.empty() ? text : text + "\n" + FormatTable(notes);
}

absl::Status Show(Session& session, const std::vector<std::string>& ids, bool json) {
  bool first = true;
  return ForEachPipeline(session, ids, [&](const std::string& id) -> absl::Status {
    ASSIGN_OR_RETURN(const v1::PipelineStatus pipeline, GetPipeline(session, id));
    Print(json ? ToJson(pipeline) + "\n" : (first ? "" : "\n") + Describe(pipeline));
    first = false;
    return absl::OkStatus();
  });
}

absl::Status Watch(Session& session, const std::vector<std::string>& ids,
                   const std::string& progress) {
  return ForEachPipeline(session, ids, [&](const std::string& id) -> absl::Status {
    ASSIGN_OR_RETURN(Connection * connection, session.connection());
    ASSIGN_OR_RETURN(const std::unique_ptr<Stub> stub, MakePipelineStub(*connection));
    // An interrupt ends the watching, not the pipeline.
    std::unique_ptr<PipelinePrinter> printer = MakePipelinePrinter(progress, std::stop_token());
    ASSIGN_OR_RETURN(const v1::PipelineStatus status,
                     WatchPipeline(*connection, *stub, {id, *printer, session.stop()}));
    printer.reset();
    if (progress != "json") {
      Print(PipelineTable(status, TerminalWidth()));
    }
    return OutcomeOf(status);
  });
}

absl::Status Cancel(Session& session, const std::vector<std::string>& ids) {
  return ForEachPipeline(session, ids, [&](const std::string& id) -> absl::Status {
    v1::CancelPipelineRequest request;
    request.set_pipeline_id(id);
    ASSIGN_OR_RETURN(const v1::PipelineStatus pipeline,
                     Ask(session, &Stub::CancelPipeline, request));
    Print(fmt::format("{} {}\n", id, NameOf(pipeline.state())));
    return absl::OkStatus();
  });
}

absl::Status Remove(Session& session, const std::vector<std::string>& ids) {
  return ForEachPipeline(session, ids, [&](const std::string& id) -> absl::Status {
    v1::DeletePipelineRequest request;
    request.set_pipeline_id(id);
    RETURN_IF_ERROR(Ask(session, &Stub::DeletePipeline, request).status());
    Print(id + "\n");
    return absl::OkStatus();
  });
}

void AddList(Command& pipelines) {
  Command ls = pipelines.Sub("ls", "List pipelines, newest first", "zlayer pipelines ls -n 5");
  auto limit = std::make_shared<int32_t>(100);
  auto format = std::make_shared<std::string>("text");
  ls.Option({"-n,--limit", "N", "At most so many"}, limit.get(), 1, 1'000'000)
      .Choice({"--format", "", "A table, or a line of JSON for each pipeline"}, format.get(),
              {"text", "json"});
  ls.Run([limit, format](Session& session) { return List(session, *limit, *format == "json"); });
}

void AddShow(Command& pipelines) {
  Command show = pipelines.Sub("show", "Show pipelines and their images",
                               "zlayer pipelines show --format json @latest");
  auto ids = std::make_shared<std::vector<std::string>>();
  auto format = std::make_shared<std::string>("text");
  AddPipelineIds(show, ids.get());
  show.Choice({"--format", "", "Tables, or a JSON document for each pipeline"}, format.get(),
              {"text", "json"});
  show.Run([ids, format](Session& session) { return Show(session, *ids, *format == "json"); });
}

void AddWatch(Command& pipelines) {
  Command watch = pipelines.Sub("watch", "Show pipelines from their begin to their end",
                                "zlayer pipelines watch @latest");
  auto ids = std::make_shared<std::vector<std::string>>();
  auto progress = std::make_shared<std::string>("auto");
  AddPipelineIds(watch, ids.get());
  AddProgressOption(watch, progress.get());
  watch.Run([ids, progress](Session& session) { return Watch(session, *ids, *progress); });
}

void AddCancel(Command& pipelines) {
  Command cancel = pipelines.Sub("cancel", "Cancel pipelines with their builds",
                                 "zlayer pipelines cancel @latest");
  auto ids = std::make_shared<std::vector<std::string>>();
  AddPipelineIds(cancel, ids.get());
  cancel.Run([ids](Session& session) { return Cancel(session, *ids); });
}

void AddRemove(Command& pipelines) {
  Command remove = pipelines.Sub("rm", "Remove pipelines that have ended; their builds stay",
                                 "zlayer pipelines rm @latest");
  auto ids = std::make_shared<std::vector<std::string>>();
  AddPipelineIds(remove, ids.get());
  remove.Run([ids](Session& session) { return Remove(session, *ids); });
}

}  // namespace

void AddPipelinesCommand(Command& root) {
  Command pipelines =
      root.Sub("pipelines", "See, follow, cancel and remove pipelines", "zlayer pipelines ls");
  pipelines.RequireSub();
  AddList(pipelines);
  AddShow(pipelines);
  AddWatch(pipelines);
  AddCancel(pipelines);
  AddRemove(pipelines);
}

}  // namespace zlayer
