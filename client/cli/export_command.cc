#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/lib/image_transfer.h"
#include "client/lib/oci_layout.h"
#include "client/lib/output_file.h"

namespace zlayer {
namespace {

struct Options {
  std::vector<std::string> references;
  std::string format = "oci";
  std::string output;
};

absl::Status CopyTo(const std::function<absl::Status(std::string_view)>& sink,
                    ImageExport& archive) {
  while (true) {
    ASSIGN_OR_RETURN(std::string_view data, archive.Next());
    if (data.empty()) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(sink(data));
  }
}

absl::Status WriteArchive(const std::string& path, ImageExport& archive) {
  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  RETURN_IF_ERROR(CopyTo([&](std::string_view data) { return file.Write(data); }, archive));
  return file.Finish();
}

absl::Status Export(Session& session, const Options& options) {
  bool to_stdout = options.output == "-";
  if (options.output.empty()) {
    return UsageError("export needs -o FILE, -o DIR or -o -");
  }
  if (to_stdout && options.format == "oci-layout") {
    return UsageError("an OCI layout is a directory: name one with -o, or take --format oci");
  }
  if (to_stdout && isatty(STDOUT_FILENO) != 0) {
    return UsageError("an archive is not written to a terminal: redirect it or take -o FILE");
  }
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::ExportImageRequest request;
  request.set_namespace_(session.name_space());
  request.set_reference(options.references.front());
  request.mutable_more_references()->Assign(options.references.begin() + 1,
                                            options.references.end());
  request.set_format(options.format == "docker" ? "docker" : "oci");
  ImageExport archive(*connection, request, session.stop());
  if (options.format == "oci-layout") {
    return UnpackLayout([&archive] { return archive.Next(); }, options.output);
  }
  return to_stdout ? CopyTo([](std::string_view data) { return WriteFully(STDOUT_FILENO, data); },
                            archive)
                   : WriteArchive(options.output, archive);
}

}  // namespace

void AddExportCommand(Command& root) {
  Command command = root.Sub("export", "Write images to an archive or an OCI layout directory",
                             "zlayer export --format docker -o app.tar app:1 app:latest");
  auto options = std::make_shared<Options>();
  command
      .Arguments({"REF", "", "References or digests of images, all into one"}, &options->references)
      .Choice({"--format", "", "What to write; docker is for docker load"}, &options->format,
              {"oci", "oci-layout", "docker"})
      .Option({"-o,--output", "FILE|DIR|-", "Where to write it; - for stdout"}, &options->output);
  command.Run([options](Session& session) { return Export(session, *options); });
}

}  // namespace zlayer
