#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/lib/image_transfer.h"
#include "client/lib/oci_layout.h"
#include "client/lib/stoppable_reader.h"
#include "client/progress/text.h"

namespace zlayer {
namespace {

constexpr size_t kChunk = size_t{1} << 20;

struct Options {
  std::string source;
  std::string reference;
  std::string format = "text";
};

absl::Status SendFile(int fd, const ByteSink& sink, std::stop_token stop) {
  StoppableReader reader(fd, std::move(stop));
  std::string buffer(kChunk, '\0');
  while (true) {
    ASSIGN_OR_RETURN(size_t count, reader.Read(buffer.data(), buffer.size()));
    if (count == 0) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(sink(std::string_view(buffer).substr(0, count)));
  }
}

absl::Status Send(const Options& options, int fd, bool is_directory, const ByteSink& sink,
                  std::stop_token stop) {
  if (is_directory) {
    return ArchiveLayout(options.source, sink, std::move(stop));
  }
  absl::Status status = SendFile(fd, sink, std::move(stop));
  return status.ok() || absl::IsCancelled(status)
             ? status
             : Annotate(status, fmt::format("reading \"{}\"", ToUtf8(options.source)));
}

absl::StatusOr<UniqueFd> OpenSource(const std::string& source) {
  if (source == "-") {
    return UniqueFd(dup(STDIN_FILENO));
  }
  auto fd = OpenFile(source, O_RDONLY);
  if (absl::IsNotFound(fd.status())) {
    return NotFound(fmt::format("there is no file \"{}\" to import", ToUtf8(source)));
  }
  return fd;
}

absl::Status Import(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenSource(options.source));
  struct stat info;
  bool is_directory = fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode);
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::ImportStart start;
  start.set_namespace_(session.name_space());
  start.set_reference(options.reference);
  ASSIGN_OR_RETURN(v1::ImportImageResponse response,
                   ImportImage(
                       *connection, start,
                       [&](const ByteSink& sink) {
                         return Send(options, fd.get(), is_directory, sink, session.stop());
                       },
                       session.stop()));
  for (const v1::Image& image : response.images()) {
    if (options.format == "json") {
      Print(ToJson(image) + "\n");
    } else {
      Print(fmt::format("{}  {}  {}\n", image.reference().empty() ? "<none>" : image.reference(),
                        image.manifest_digest(), image.config_digest()));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddImportCommand(Command& root) {
  Command import = root.Sub("import", "Add an image from an archive, a layout or a root filesystem",
                            "zlayer import rootfs.tar.gz base:1");
  auto options = std::make_shared<Options>();
  import
      .Argument(
          {"FILE", "",
           "OCI archive, Docker archive, root filesystem tar (gzip, bzip2, xz, zstd or plain), "
           "OCI layout directory; - for stdin"},
          &options->source)
      .Argument({"REF", "", "Name of the image; a root filesystem needs it"}, &options->reference,
                /*required=*/false)
      .Choice({"--format", "", "One line of JSON for each image, or of text"}, &options->format,
              {"text", "json"});
  import.Run([options](Session& session) { return Import(session, *options);
});
}  // namespace zlayer

}  // namespace zlayer
