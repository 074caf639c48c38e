#include <fmt/format.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/outcome.h"
#include "client/cli/registry_logins.h"
#include "client/cli/session.h"
#include "client/cli/transfer_printer.h"

namespace zlayer {
namespace {

using Stub = v1::RegistryService::StubInterface;
using Reader = grpc::ClientReaderInterface<v1::TransferEvent>;

struct Output {
  std::string progress = "auto";
  bool quiet = false;
};

// Reads the events of a transfer to its end.
template <typename Request, typename Method>
absl::Status Follow(Session& session, const Request& request, Method method, const Output& output) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  grpc::ClientContext context;
  const CancelOnStop cancel(session.stop(), &context);
  const std::unique_ptr<Reader> reader = (connection->registries().*method)(&context, request);
  {
    const std::unique_ptr<TransferPrinter> printer =
        MakeTransferPrinter(output.progress, output.quiet);
    v1::TransferEvent event;
    while (reader->Read(&event)) {
      printer->Event(event);
    }
  }
  const grpc::Status status = reader->Finish();
  return status.ok() ? absl::OkStatus() : connection->Explain(status);
}

void AddOutputOptions(Command& command, Output* output) {
  AddProgressOption(command, &output->progress);
  command.Flag({"-q,--quiet", "", "Print only what the image is called and its digest"},
               &output->quiet);
}

struct PullOptions {
  v1::PullImageRequest request;
  std::string reference;
  std::string platform;
  std::string default_registry;
  bool all_platforms = false;
  Output output;
};

absl::Status Pull(Session& session, PullOptions options) {
  v1::PullImageRequest request;
  request.set_namespace_(session.name_space());
  request.set_reference(options.reference);
  request.set_platform(options.platform);
  request.set_all_platforms(options.all_platforms);
  request.set_default_registry(options.default_registry);
  std::vector<std::string> images = {options.reference};
  if (!options.default_registry.empty()) {
    images.push_back(options.default_registry + "/" + options.reference);
  }
  RETURN_IF_ERROR(AddLogins(images, session.stop(), request.mutable_credentials()));
  return Follow(session, request, &Stub::PullImage, options.output);
}

struct PushOptions {
  std::string reference;
  std::vector<std::string> destinations;
  std::string compression;
  std::string level;
  bool force = false;
  bool by_digest = false;
  Output output;
};

absl::Status Push(Session& session, const PushOptions& options) {
  v1::PushImageRequest request;
  request.set_namespace_(session.name_space());
  request.set_reference(options.reference);
  request.mutable_destinations()->Assign(options.destinations.begin(), options.destinations.end());
  request.mutable_compression()->set_type(options.compression);
  request.mutable_compression()->set_force(options.force);
  if (!options.level.empty()) {
    const std::optional<uint64_t> level = ParseUint(options.level);
    if (!level.has_value() || *level > 22) {
      return UsageError(fmt::format("--compression-level takes a number up to 22, not \"{}\"",
                                    ToUtf8(options.level)));
    }
    request.mutable_compression()->set_level(static_cast<uint32_t>(*level));
  }
  request.set_by_digest(options.by_digest);
  std::vector<std::string> images = options.destinations;
  images.push_back(options.reference);
  RETURN_IF_ERROR(AddLogins(images, session.stop(), request.mutable_credentials()));
  return Follow(session, request, &Stub::PushImage, options.output);
}

struct CopyOptions {
  std::string source;
  std::string destination;
  Output output;
};

absl::Status Copy(Session& session, const CopyOptions& options) {
  v1::CopyImageRequest request;
  request.set_source(options.source);
  request.set_destination(options.destination);
  RETURN_IF_ERROR(AddLogins({options.source, options.destination}, session.stop(),
                            request.mutable_credentials()));
  return Follow(session, request, &Stub::CopyImage, options.output);
}

void AddPush(Command push) {
  auto options = std::make_shared<PushOptions>();
  push.Argument({"REF", "", "The image, or an index with all that is in it"}, &options->reference)
      .Arguments({"DST", "", "Its names in registries, where they are others"},
                 &options->destinations, /*required=*/false)
      .Choice({"--compression", "",
               "Of layers that are not compressed; gzip where nothing is said, and none for a "
               "registry on loopback"},
              &options->compression, {"gzip", "zstd", "uncompressed"})
      .Option(
          {"--compression-level", "N", "0 to 9 for gzip, 1 to 22 for zstd; alone it means gzip"},
          &options->level)
      .Flag({"--force-compression", "", "Compress layers anew that are compressed otherwise"},
            &options->force)
      .Flag({"--by-digest", "", "Give it no tag"}, &options->by_digest);
  AddOutputOptions(push, &options->output);
  push.Run([options](Session& session) { return Push(session, *options); });
}

struct ManifestOptions {
  std::string reference;
  std::vector<std::string> images;
  std::vector<std::string> annotations;
  std::string platform;
  bool remote = false;
};

absl::Status MakeIndex(Session& session, const ManifestOptions& options, bool append) {
  v1::CreateIndexRequest request;
  request.set_namespace_(session.name_space());
  request.set_reference(options.reference);
  request.set_append(append);
  for (const std::string& image : options.images) {
    v1::IndexEntry& entry = *request.add_entries();
    entry.set_reference(image);
    entry.set_platform(options.platform);
  }
  for (const std::string& text : options.annotations) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || !IsUtf8(text)) {
      return UsageError(
          fmt::format("--annotation takes KEY=VALUE in UTF-8, not \"{}\"", ToUtf8(text)));
    }
    (*request.mutable_annotations())[text.substr(0, equals)] = text.substr(equals + 1);
  }
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(const v1::Image image,
                   Call(*connection, connection->registries(), &Stub::CreateIndex, request,
                        kCallTimeout, session.stop()));
  Print(fmt::format("{}  {}\n", image.reference(), image.manifest_digest()));
  return absl::OkStatus();
}

absl::Status InspectManifest(Session& session, const ManifestOptions& options) {
  v1::GetManifestRequest request;
  request.set_namespace_(session.name_space());
  request.set_reference(options.reference);
  request.set_remote(options.remote);
  RETURN_IF_ERROR(AddLogins({options.reference}, session.stop(), request.mutable_credentials()));
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  ASSIGN_OR_RETURN(const v1::GetManifestResponse response,
                   Call(*connection, connection->registries(), &Stub::GetManifest, request,
                        kCallTimeout, session.stop()));
  // As it is, so that its digest is that of the output; a terminal wants its next line.
  Print(response.manifest_json() + (isatty(STDOUT_FILENO) != 0 ? "\n" : ""));
  return absl::OkStatus();
}

void AddIndexOptions(Command& command, ManifestOptions* options) {
  command.Argument({"REF", "", "Name of the index"}, &options->reference)
      .Arguments({"IMAGE", "", "Images that are here, one for each platform", Completes::kImage},
                 &options->images, /*required=*/false)
      .Option({"--annotation", "KEY=VALUE", "Annotation of the index; may be repeated"},
              &options->annotations);
}

}  // namespace

void AddTransferCommands(Command& root) {
  Command pull = root.Sub("pull", "Bring an image from a registry",
                          "zlayer pull --platform linux/arm64 registry.example/app:1");
  auto options = std::make_shared<PullOptions>();
  pull.Argument({"REF", "", "The image; docker.io's where it names no registry"},
                &options->reference)
      .Option({"--platform", "PLATFORM", "linux/arm64; the daemon's own where nothing is said"},
              &options->platform)
      .Flag({"--all-platforms", "", "All images of an index"}, &options->all_platforms)
      .Option({"--default-registry", "HOST", "What short names mean, before docker.io"},
              &options->default_registry);
  AddOutputOptions(pull, &options->output);
  pull.Run([options](Session& session) { return Pull(session, *options); });

  AddPush(
      root.Sub("push", "Send an image to registries", "zlayer push app:1 registry.example/app:1"));

  Command copy = root.Sub("copy", "Copy an image from one registry to another, all platforms",
                          "zlayer copy registry.example/app:1 mirror.example/app:1");
  auto copied = std::make_shared<CopyOptions>();
  copy.Argument({"SRC", "", "The image in its registry"}, &copied->source)
      .Argument({"DST", "", "Its name in the other one"}, &copied->destination);
  AddOutputOptions(copy, &copied->output);
  copy.Run([copied](Session& session) { return Copy(session, *copied); });
}

void AddManifestCommands(Command& root) {
  Command manifest = root.Sub("manifest", "Make images for several platforms, look at manifests",
                              "zlayer manifest create app:1 app:1-amd64 app:1-arm64");
  manifest.RequireSub();

  Command create = manifest.Sub("create", "Make an index of images",
                                "zlayer manifest create app:1 app:1-amd64 app:1-arm64");
  auto created = std::make_shared<ManifestOptions>();
  AddIndexOptions(create, created.get());
  create.Run([created](Session& session) { return MakeIndex(session, *created, false); });

  Command add = manifest.Sub("add", "Add images to an index, or replace those of their platforms",
                             "zlayer manifest add app:1 app:1-riscv64");
  auto added = std::make_shared<ManifestOptions>();
  AddIndexOptions(add, added.get());
  add.Option({"--platform", "PLATFORM", "In place of what the image's configuration says"},
             &added->platform);
  add.Run([added](Session& session) { return MakeIndex(session, *added, true); });

  Command inspect = manifest.Sub("inspect", "Print a manifest as it is",
                                 "zlayer manifest inspect registry.example/app:1");
  auto inspected = std::make_shared<ManifestOptions>();
  inspect
      .Argument({"REF", "", "An image, index or artifact, here or in its registry"},
                &inspected->reference)
      .Flag({"--remote", "", "The registry's, whatever is here"}, &inspected->remote);
  inspect.Run([inspected](Session& session) { return InspectManifest(session, *inspected); });

  AddPush(manifest.Sub("push", "Send an index with its images, as zlayer push",
                       "zlayer manifest push app:1 registry.example/app:1"));
}

}  // namespace zlayer
