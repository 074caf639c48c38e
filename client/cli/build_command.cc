#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/build_images.h"
#include "client/cli/build_options.h"
#include "client/cli/build_request.h"
#include "client/cli/cancel_on_interrupt.h"
#include "client/cli/commands.h"
#include "client/cli/file_request.h"
#include "client/cli/outcome.h"
#include "client/cli/registry_logins.h"
#include "client/cli/session.h"
#include "client/cli/source_text.h"
#include "client/lib/build_follower.h"
#include "client/lib/context_uploader.h"
#include "client/lib/context_walker.h"
#include "client/lib/output_file.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr size_t kMaxIgnoreFile = size_t{1} << 20;
constexpr std::chrono::seconds kCancelTimeout{10};

struct Options {
  BuildFlags flags;
  std::string progress = "auto";
  std::string image_id_file;
  std::string metadata_file;
  std::string call = "build";
  bool check = false;
  bool quiet = false;
  bool explain = false;
  bool detach = false;
  bool no_digest_cache = false;
};

class Build {
 public:
  Build(Session& session, const Options& options)
      : session_(session),
        options_(options),
        printer_(options.quiet || options.detach ? MakeQuietPrinter(Print)
                 : options.explain               ? MakePlainPrinter(Print, /*explain=*/true)
                                                 : MakePrinter(options.progress, session.stop())),
        digests_(options.no_digest_cache ? DigestCache()
                                         : DigestCache::Open(DigestCache::DefaultPath())) {}

  absl::Status Run();

 private:
  absl::Status UploadContexts();
  absl::StatusOr<v1::ContextReady> UploadOne(const std::string& name, const std::string& path);
  absl::StatusOr<IgnoreRules> RulesFor(const std::string& name, const std::string& path) const;
  void Arrived(const std::string& name, const v1::ContextReady& ready);
  absl::Status Detach();
  absl::Status Follow();

  Session& session_;
  const Options& options_;
  const std::unique_ptr<ProgressPrinter> printer_;
  DigestCache digests_;
  Connection* connection_ = nullptr;
  std::optional<BuildFile> file_;
  v1::SubmitBuildRequest request_;
};

absl::Status Build::Run() {
  if (options_.detach && !(options_.image_id_file + options_.metadata_file).empty()) {
    return UsageError("--iidfile and --metadata-file wait for the build's end: not with --detach");
  }
  if (options_.explain && (options_.quiet || options_.detach)) {
    return UsageError(
        "--explain shows lines: not with --quiet or --detach; ask zlayer explain afterwards");
  }
  if (options_.explain && (options_.progress == "json" || options_.progress == "tty")) {
    return UsageError(
        "--explain shows lines: not with --progress json, which has the reasons, or tty");
  }
  ASSIGN_OR_RETURN(file_, ReadBuildFile(options_.flags, session_.stop()));
  if (!options_.quiet) {
    SayRuntime(file_);
  }
  ASSIGN_OR_RETURN(request_, MakeBuildRequest(options_.flags, file_, FromEnvironment));
  request_.set_namespace_(session_.name_space());
  RETURN_IF_ERROR(AddLogins(ImagesOf(request_.spec(), ContextDirectory(options_.flags)),
                            session_.stop(),
                            request_.mutable_spec()->mutable_registry_credentials()));
  if (request_.idempotency_key().empty()) {
    // Lets a submission whose answer was lost be sent again.
    request_.set_idempotency_key(RandomHex());
  }
  ASSIGN_OR_RETURN(connection_, session_.connection());
  RETURN_IF_ERROR(UploadContexts());
  if (session_.stop().stop_requested()) {
    return Cancelled("interrupted before the build was submitted");
  }
  return options_.detach ? Detach() : Follow();
}

absl::Status Build::UploadContexts() {
  ASSIGN_OR_RETURN(auto directories, DirectoryContexts(options_.flags));
  // What --from=NAME means depends on the names of all contexts, from the first upload on.
  for (const auto& directory : directories) {
    (*request_.mutable_spec()->mutable_contexts())[directory.first];
  }
  for (const auto& directory : directories) {
    ASSIGN_OR_RETURN(v1::ContextReady ready, UploadOne(directory.first, directory.second));
    Arrived(directory.first, ready);
  }
  if (options_.flags.context == "-") {
    UploadOptions upload;
    upload.name_space = session_.name_space();
    upload.progress = [this](const UploadCounts& counts) { printer_->Uploading("", counts); };
    ASSIGN_OR_RETURN(v1::ContextReady ready,
                     UploadTar(*connection_, STDIN_FILENO, upload, session_.stop()));
    Arrived("", ready);
  }
  // Without the cache the next build is slower, nothing else.
  digests_.Save().IgnoreError();
  return absl::OkStatus();
}

void Build::Arrived(const std::string& name, const v1::ContextReady& ready) {
  (*request_.mutable_spec()->mutable_contexts())[name].set_uploaded(ready.context_id());
  printer_->ContextSent(name, ready);
}

absl::StatusOr<v1::ContextReady> Build::UploadOne(const std::string& name,
                                                  const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd root, OpenContext(path));
  ASSIGN_OR_RETURN(IgnoreRules rules, RulesFor(name, path));
  UploadOptions upload;
  upload.name_space = session_.name_space();
  upload.context_name = name;
  upload.spec = &request_.spec();
  upload.ignore = &rules;
  upload.digests = &digests_;
  upload.progress = [&](const UploadCounts& counts) { printer_->Uploading(name, counts); };
  return UploadDirectory(*connection_, root.get(), upload, session_.stop());
}

absl::StatusOr<IgnoreRules> Build::RulesFor(const std::string& name,
                                            const std::string& path) const {
  if (name.empty()) {
    return file_.has_value() ? IgnoreRules::Parse(file_->ignore_text, file_->ignore_name)
                             : IgnoreRules();
  }
  std::string ignore_path = path + "/.dockerignore";
  auto text = ReadFile(ignore_path, kMaxIgnoreFile);
  if (absl::IsNotFound(text.status())) {
    return IgnoreRules();
  }
  RETURN_IF_ERROR(text.status());
  return IgnoreRules::Parse(*text, ignore_path);
}

absl::Status Build::Detach() {
  ASSIGN_OR_RETURN(
      v1::SubmitBuildResponse response,
      Call(*connection_, connection_->builds(), &v1::BuildService::StubInterface::SubmitBuild,
           request_, kCallTimeout, session_.stop()));
  Print(response.build_id() + "\n");
  return absl::OkStatus();
}

absl::Status Build::Follow() {
  CancelOnInterrupt cancel(
      [this](const std::string& id) {
        v1::CancelBuildRequest request;
        request.set_build_id(id);
        return Call(*connection_, connection_->builds(),
                    &v1::BuildService::StubInterface::CancelBuild, request, kCancelTimeout,
                    std::stop_token())
            .status();
      },
      session_.stop());
  FollowOptions follow;
  follow.lost = [this](const absl::Status& status) { printer_->Lost(Message(status)); };
  ASSIGN_OR_RETURN(v1::BuildEvent terminal, SubmitAndFollow(
                                                *connection_, request_,
                                                [&](const v1::BuildEvent& event) {
                                                  cancel.Started(event.build_id());
                                                  printer_->Event(event);
                                                },
                                                follow, cancel.abandoned()));
  if (!options_.metadata_file.empty()) {
    RETURN_IF_ERROR(WriteOutput(options_.metadata_file, ToJson(terminal) + "\n"));
  }
  RETURN_IF_ERROR(OutcomeFor(*printer_, terminal));
  if (!options_.image_id_file.empty()) {
    return WriteOutput(options_.image_id_file, terminal.build_complete().image_id());
  }
  return absl::OkStatus();
}

absl::Status Run(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(const std::optional<FileCall> call,
                   ParseFileCall(options.check ? "check" : options.call));
  if (call.has_value()) {
    return CallFile(session, options.flags, *call);
  }
  absl::Status status = Build(session, options).Run();
  const bool is_read = options.progress != "json" && !options.quiet && !options.detach;
  return is_read ? ShowSource(std::move(status)) : status;
}

void AddRunOptions(Command& build, Options* options) {
  BuildFlags& flags = options->flags;
  build.Section("The build")
      .Flag({"--check", "", "Check the build file instead, as --call check and zlayer check"},
            &options->check)
      .Option({"--call", "METHOD",
               "check, or outline or targets: what the build file takes and "
               "can build; with ,format=json"},
              &options->call)
      .Flag({"--detach", "", "Print the build's id and leave it to the daemon"}, &options->detach)
      .Option({"--priority", "N", "Higher ones start first, -100 to 100"}, &flags.priority, -100,
              100)
      .Option({"--idempotency-key", "KEY", "A second build with this key is the first one"},
              &flags.idempotency_key)
      .Choice({"--format", "", "Media types of the image's documents (default: oci)"},
              &flags.format, {"oci", "docker"})
      .Flag({"--no-digest-cache", "", "Read every file of the context again"},
            &options->no_digest_cache);
  build.Section("Output");
  AddProgressOption(build, &options->progress);
  build
      .Flag({"--explain", "",
             "Say why each step ran, or did not, as zlayer explain does later; line by line"},
            &options->explain)
      .Flag({"-q,--quiet", "", "Print only the image's id"}, &options->quiet)
      .Option({"--iidfile", "FILE", "Write the image's id to FILE", Completes::kFile},
              &options->image_id_file)
      .Option({"--metadata-file", "FILE", "Write the build's last event to FILE, as JSON",
               Completes::kFile},
              &options->metadata_file);
}

}  // namespace

void AddBuildCommand(Command& root) {
  Command build = root.Sub("build", "Build an image",
                           "zlayer build -t app:1 --build-arg VERSION=1.2 -f docker/Dockerfile .");
  auto options = std::make_shared<Options>();
  AddBuildOptions(build, &options->flags);
  AddRunOptions(build, options.get());
  build.Run([options](Session& session) { return Run(session, *options); });
}

}  // namespace zlayer
