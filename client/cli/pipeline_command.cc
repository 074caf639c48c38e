#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "base/errors.h"
#include "base/status_macros.h"
#include "client/cli/cancel_on_interrupt.h"
#include "client/cli/outcome.h"
#include "client/cli/pipeline_commands.h"
#include "client/cli/pipeline_request.h"
#include "client/cli/pipeline_show.h"
#include "client/cli/session.h"
#include "client/cli/source_text.h"
#include "client/cli/terminal.h"
#include "client/lib/context_uploader.h"
#include "client/lib/context_walker.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr std::chrono::seconds kCancelTimeout{10};
constexpr size_t kMaxRequest = size_t{4} << 20;  // of a message

struct Options {
  PipelineFlags flags;
  std::string progress = "auto";
  std::string format = "text";
  bool detach = false;
};

class Pipeline {
 public:
  Pipeline(Session& session, const Options& options) : session_(session), options_(options) {}

  absl::Status Run();

 private:
  absl::Status Upload(PipelinePrinter& printer);
  absl::StatusOr<v1::ContextReady> UploadOne(const PipelineUpload& upload,
                                             DigestCache* digests) const;
  absl::StatusOr<std::string> Submit() const;
  absl::Status Follow(const std::string& id, std::unique_ptr<PipelinePrinter> printer);

  Session& session_;
  const Options& options_;
  Connection* connection_ = nullptr;
  std::unique_ptr<v1::PipelineService::StubInterface> pipelines_;
  PipelineToSubmit pipeline_;
};

absl::Status Pipeline::Run() {
  const bool json = options_.format == "json";
  if (json && options_.progress != "auto") {
    return UsageError("--format json prints one document at the end: not with --progress");
  }
  ASSIGN_OR_RETURN(pipeline_, MakePipelineRequest(options_.flags, session_.stop()));
  pipeline_.request.set_namespace_(session_.name_space());
  ASSIGN_OR_RETURN(connection_, session_.connection());
  ASSIGN_OR_RETURN(pipelines_, MakePipelineStub(*connection_));
  std::unique_ptr<PipelinePrinter> printer =
      json || options_.detach ? MakeQuietPipelinePrinter()
                              : MakePipelinePrinter(options_.progress, session_.stop());
  RETURN_IF_ERROR(Upload(*printer));
  if (session_.stop().stop_requested()) {
    return Cancelled("interrupted before the pipeline was submitted");
  }
  ASSIGN_OR_RETURN(const std::string id, Submit());
  if (options_.detach) {
    Print(id + "\n");
    return absl::OkStatus();
  }
  return Follow(id, std::move(printer));
}

absl::Status Pipeline::Upload(PipelinePrinter& printer) {
  DigestCache digests = DigestCache::Open(DigestCache::DefaultPath());
  for (const PipelineUpload& upload : pipeline_.uploads) {
    ASSIGN_OR_RETURN(const v1::ContextReady ready, UploadOne(upload, &digests));
    for (const int image : upload.images) {
      v1::BuildSpec& spec =
          *pipeline_.request.mutable_spec()->mutable_images(image)->mutable_spec();
      (*spec.mutable_contexts())[""].set_uploaded(ready.context_id());
    }
    printer.ContextSent(upload.directory, ready);
  }
  // Without the cache the next build is slower, nothing else.
  digests.Save().IgnoreError();
  return absl::OkStatus();
}

// Of a directory that one image is built from only what this selects is sent, unless the image
// stands on others of the pipeline: before those are built nobody can plan it.
absl::StatusOr<v1::ContextReady> Pipeline::UploadOne(const PipelineUpload& upload,
                                                     DigestCache* digests) const {
  ASSIGN_OR_RETURN(UniqueFd root, OpenContext(upload.directory));
  ASSIGN_OR_RETURN(const IgnoreRules rules,
                   IgnoreRules::Parse(upload.ignore_text, upload.ignore_name));
  UploadOptions options;
  options.name_space = session_.name_space();
  const v1::PipelineImage& first = pipeline_.request.spec().images(upload.images.front());
  if (upload.images.size() == 1 && first.depends_on().empty()) {
    options.spec = &first.spec();
  }
  options.ignore = &rules;
  options.digests = digests;
  return UploadDirectory(*connection_, root.get(), options, session_.stop());
}

absl::StatusOr<std::string> Pipeline::Submit() const {
  if (pipeline_.request.ByteSizeLong() > kMaxRequest) {
    return ResourceExhausted(fmt::format(
        "the build files of the pipeline and what it says of them have {} together, and {} are the "
        "most; build parts of it with --only",
        FormatSize(pipeline_.request.ByteSizeLong()), FormatSize(kMaxRequest)));
  }
  ASSIGN_OR_RETURN(
      const v1::SubmitPipelineResponse response,
      Call(*connection_, *pipelines_, &v1::PipelineService::StubInterface::SubmitPipeline,
           pipeline_.request, kCallTimeout, session_.stop()));
  return response.pipeline_id();
}

absl::Status Pipeline::Follow(const std::string& id, std::unique_ptr<PipelinePrinter> printer) {
  CancelOnInterrupt cancel(
      [this](const std::string& pipeline) {
        v1::CancelPipelineRequest request;
        request.set_pipeline_id(pipeline);
        return Call(*connection_, *pipelines_, &v1::PipelineService::StubInterface::CancelPipeline,
                    request, kCancelTimeout, std::stop_token())
            .status();
      },
      session_.stop());
  cancel.Started(id);
  ASSIGN_OR_RETURN(const v1::PipelineStatus status,
                   WatchPipeline(*connection_, *pipelines_, {id, *printer, cancel.abandoned()}));
  printer.reset();
  if (options_.format == "json") {
    Print(ToJson(status) + "\n");
  } else if (options_.progress != "json") {
    Print(PipelineTable(status, TerminalWidth()));
  }
  return OutcomeOf(status);
}

absl::Status Run(Session& session, const Options& options) {
  const bool is_read = options.format != "json" && options.progress != "json" && !options.detach;
  absl::Status status = Pipeline(session, options).Run();
  return is_read ? ShowSource(std::move(status)) : status;
}

void AddWhat(Command& command, PipelineFlags* flags) {
  command.Section("What to build")
      .Option({"-f,--file", "FILE",
               "ZPipeline file (default: ZPipeline.yaml, ZPipeline.yml, zlayer-pipeline.yaml or "
               "zlayer-pipeline.yml here)",
               Completes::kFile},
              &flags->file)
      .Option({"--set", "NAME=VALUE", "Value of a variable, before the file's; may be repeated"},
              &flags->sets)
      .Option({"--only", "IMAGE,...", "These images, and what they depend on"}, &flags->only)
      .Option({"--platform", "OS/ARCH", "Platform of images that name none, before the defaults"},
              &flags->platforms)
      .Flag({"--no-cache", "", "Run every step again"}, &flags->no_cache);
}

void AddHow(Command& command, Options* options) {
  PipelineFlags& flags = options->flags;
  command.Section("The pipeline")
      .Flag({"--push", "",
             "Send the images to the registries that their tags name, once all are built"},
            &flags.push)
      .Flag({"--no-push", "", "Send none, whatever the file says"}, &flags.no_push)
      .Flag({"--keep-going", "",
             "After a failure, go on with all that does not depend on what failed"},
            &flags.keep_going)
      .Option({"--jobs", "N", "Builds at the same time; 0 leaves it to the daemon"}, &flags.jobs, 0,
              1000)
      .Option({"--priority", "N", "Higher ones start first, -100 to 100"}, &flags.priority, -100,
              100)
      .Flag({"--detach", "", "Print the pipeline's id and leave it to the daemon"},
            &options->detach);
  command.Section("Output");
  AddProgressOption(command, &options->progress);
  command.Choice({"--format", "", "A table at the end, or the pipeline as one JSON document"},
                 &options->format, {"text", "json"});
}

}  // namespace

void AddPipelineCommand(Command& root) {
  Command command = root.Sub("pipeline", "Build the images of a ZPipeline file as one",
                             "zlayer pipeline --set VERSION=1.2 --only web --push");
  auto options = std::make_shared<Options>();
  AddWhat(command, &options->flags);
  AddHow(command, options.get());
  command.Run([options](Session& session) { return Run(session, *options); });
}

}  // namespace zlayer
