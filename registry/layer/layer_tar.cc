#include "registry/layer/layer_tar.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <limits>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/tar_writer.h"

namespace zlayer {
namespace {

TarHeader::Type TypeOf(const Entry& entry) {
  switch (entry.type) {
    case EntryType::kDirectory:
      return TarHeader::Type::kDirectory;
    case EntryType::kSymlink:
      return TarHeader::Type::kSymlink;
    case EntryType::kFifo:
      return TarHeader::Type::kFifo;
    case EntryType::kCharacterDevice:
      return TarHeader::Type::kCharacterDevice;
    case EntryType::kBlockDevice:
      return TarHeader::Type::kBlockDevice;
    default:
      return entry.hard_link.empty() ? TarHeader::Type::kFile : TarHeader::Type::kHardLink;
  }
}

// In nanoseconds; what cannot be said in them is later than any time.
int64_t NewestNs(TarEpoch epoch) {
  constexpr int64_t kSecond = 1'000'000'000;
  constexpr int64_t kLatest = std::numeric_limits<int64_t>::max();
  return epoch && *epoch <= kLatest / kSecond ? *epoch * kSecond : kLatest;
}

TarHeader HeaderOf(const Entry& entry, int64_t newest_ns) {
  TarHeader header;
  header.path = entry.path.empty() ? "." : entry.path;
  header.type = TypeOf(entry);
  header.mode = entry.mode;
  header.uid = entry.uid;
  header.gid = entry.gid;
  header.mtime_ns = std::min(entry.mtime_ns, newest_ns);
  header.size = header.type == TarHeader::Type::kFile ? entry.size : 0;
  header.link_target = entry.hard_link.empty() ? entry.link_target : entry.hard_link;
  header.dev_major = major(entry.device);
  header.dev_minor = minor(entry.device);
  header.xattrs = entry.xattrs;
  header.pax = entry.pax;
  return header;
}

// The empty file that stands for a whiteout or an opaque mark.
TarHeader MarkHeader(std::string_view directory, std::string_view name) {
  TarHeader header;
  header.path =
      directory.empty() ? fmt::format(".wh.{}", name) : fmt::format("{}/.wh.{}", directory, name);
  header.mode = 0;
  return header;
}

absl::Status WriteEntry(const LayerTar& source, const Entry& entry, std::stop_token stop,
                        TarWriter* tar) {
  if (entry.type == EntryType::kWhiteout) {
    return tar->Entry(MarkHeader(ParentPath(entry.path), BaseName(entry.path)));
  }
  TarHeader header = HeaderOf(entry, NewestNs(source.epoch));
  RETURN_IF_ERROR(tar->Entry(header));
  if (entry.opaque) {
    return tar->Entry(MarkHeader(entry.path, ".wh..opq"));
  }
  if (header.size == 0) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(ContentFile content, source.open(entry));
  return ReadContent(content, entry.content, [&](std::string_view piece) {
    return stop.stop_requested() ? Cancelled("writing a layer's tar was stopped")
                                 : tar->Data(piece);
  });
}

}  // namespace

absl::Status WriteLayerTar(const LayerTar& source,
                           const std::function<absl::Status(std::string_view)>& sink,
                           std::stop_token stop) {
  TarWriter tar(sink);
  for (size_t i = 0; i < source.layer.size(); ++i) {
    if (stop.stop_requested()) {
      return Cancelled("writing a layer's tar was stopped");
    }
    Entry entry = source.layer.At(i);
    absl::Status written = WriteEntry(source, entry, stop, &tar);
    if (!written.ok()) {
      return Annotate(written, fmt::format("writing '{}' of a layer's tar", ToUtf8(entry.path)));
    }
  }
  return tar.Finish();
}

}  // namespace zlayer
