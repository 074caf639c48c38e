#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/lib/image_transfer.h"
#include "client/lib/oci_layout.h"

namespace zlayer {
namespace {

struct Options {
  std::vector<std::string> references;
  std::string format = "oci";
  std::string output;
};

absl::Status CopyTo(int fd, ImageExport& archive) {
  while (true) {
    ASSIGN_OR_RETURN(std::string_view data, archive.Next());
    if (data.empty()) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(WriteFully(fd, data));
  }
}

// The file appears when it is complete.
absl::Status WriteArchive(const std::string& path, ImageExport& archive) {
  std::string partial = path + ".partial" + RandomHex();
  absl::Status status;
  {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(partial, O_WRONLY | O_CREAT | O_EXCL));
    status = CopyTo(fd.get(), archive);
  }
  if (status.ok() && rename(partial.c_str(), path.c_str()) != 0) {
    status = ErrnoError(fmt::format("writing \"{}\"", path));
  }
  if (!status.ok()) {
    unlink(partial.c_str());
  }
  return status;
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
  return to_stdout ? CopyTo(STDOUT_FILENO, archive) : WriteArchive(options.output, archive);
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
