#include "registry/layer/layer_tar.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/errors.h"
#include "base/nested_sha256.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/tar_writer.h"
#include "registry/layer/content_ahead.h"

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

absl::Status Stopped() { return Cancelled("writing a layer's tar was stopped"); }

// Writes an entry; `content` is called where its content is due.
template <typename Content>
absl::Status WriteEntry(const Entry& entry, int64_t newest_ns, TarWriter* tar, Content content) {
  if (entry.type == EntryType::kWhiteout) {
    return tar->Entry(MarkHeader(ParentPath(entry.path), BaseName(entry.path)));
  }
  TarHeader header = HeaderOf(entry, newest_ns);
  RETURN_IF_ERROR(tar->Entry(header));
  if (entry.opaque) {
    return tar->Entry(MarkHeader(entry.path, ".wh..opq"));
  }
  return header.type == TarHeader::Type::kFile ? content() : absl::OkStatus();
}

absl::Status Explained(const absl::Status& status, const Entry& entry) {
  return Annotate(status, fmt::format("writing '{}' of a layer's tar", ToUtf8(entry.path)));
}

// Digests a tar, and contents in it.
class TarDigester {
 public:
  using Sink = std::function<absl::Status(std::string_view)>;

  TarDigester(TarEpoch epoch, std::stop_token stop)
      : newest_ns_(NewestNs(epoch)), stop_(std::move(stop)), tar_([this](std::string_view piece) {
          sha256_.Update(piece);
          return absl::OkStatus();
        }) {}

  // Takes the next entry; where it HasContent, `read` gives that to the sink that it is called
  // with.
  absl::Status Add(const Entry& entry, const std::function<absl::Status(const Sink&)>& read) {
    return WriteEntry(entry, newest_ns_, &tar_, [&] {
      return entry.size == 0 ? absl::OkStatus() : read([this](std::string_view piece) {
        return stop_.stop_requested() ? Stopped() : tar_.Data(piece);
      });
    });
  }

  // The same; returns the content's digest where the entry is a file with one of its own, else
  // none.
  absl::StatusOr<Digest> AddAndDigest(const Entry& entry,
                                      const std::function<absl::Status(const Sink&)>& read) {
    if (TypeOf(entry) != TarHeader::Type::kFile || entry.type == EntryType::kWhiteout) {
      RETURN_IF_ERROR(Add(entry, read));
      return Digest();
    }
    if (entry.size == 0) {
      RETURN_IF_ERROR(Add(entry, read));
      return Digest::Of("");
    }
    RETURN_IF_ERROR(Add(entry, [&](const Sink& sink) {
      sha256_.Begin(entry.size);
      return read(sink);
    }));
    return sha256_.End();
  }

  absl::StatusOr<TarIdentity> Finish() {
    RETURN_IF_ERROR(tar_.Finish());
    return TarIdentity{sha256_.Finish(), tar_.offset()};
  }

 private:
  const int64_t newest_ns_;
  const std::stop_token stop_;
  NestedSha256 sha256_;
  TarWriter tar_;
};

}  // namespace

absl::StatusOr<TarIdentity> DigestLayerTar(const LayerTar& source, std::stop_token stop) {
  TarDigester digester(source.epoch, stop);
  ContentAhead contents(source.layer, source.open, stop);
  const auto take = [&](const TarDigester::Sink& sink) { return contents.Take(sink); };
  const auto add = [&](const Entry& entry) -> absl::Status {
    if (!HasContent(entry)) {
      return digester.Add(entry, take);
    }
    ASSIGN_OR_RETURN(const bool verified, contents.NextIsVerified());
    if (verified) {
      return digester.Add(entry, take);
    }
    ASSIGN_OR_RETURN(const Digest found, digester.AddAndDigest(entry, take));
    return found == entry.content ? absl::OkStatus()
                                  : DamagedContent(entry.content, entry.size, found);
  };
  for (size_t i = 0; i < source.layer.size(); ++i) {
    if (stop.stop_requested()) {
      return Stopped();
    }
    const Entry entry = source.layer.At(i);
    if (absl::Status added = add(entry); !added.ok()) {
      return Explained(added, entry);
    }
  }
  return digester.Finish();
}

absl::StatusOr<TarIdentity> DigestContents(LayerIndexBuilder* builder, const ContentOpener& open,
                                           std::stop_token stop) {
  RETURN_IF_ERROR(builder->Settle());
  uint64_t bytes = 0;
  RETURN_IF_ERROR(builder->ForEach([&](const Entry& entry) {
    bytes += HasContent(entry) ? entry.size : 0;
    return absl::OkStatus();
  }));
  TarDigester digester(/*epoch=*/std::nullopt, stop);
  ContentAhead contents([builder](const auto& each) { return builder->ForEach(each); }, bytes, open,
                        stop);
  const auto take = [&](const TarDigester::Sink& sink) { return contents.Take(sink); };
  RETURN_IF_ERROR(builder->SetContents([&](const Entry& entry) -> absl::StatusOr<Digest> {
    if (stop.stop_requested()) {
      return Stopped();
    }
    absl::StatusOr<Digest> digest = digester.AddAndDigest(entry, take);
    return digest.ok() ? digest : Explained(digest.status(), entry);
  }));
  return digester.Finish();
}

absl::Status WriteLayerTar(const LayerTar& source,
                           const std::function<absl::Status(std::string_view)>& sink,
                           std::stop_token stop) {
  uint64_t at = 0;
  TarWriter tar([&](std::string_view piece) {
    at += piece.size();
    if (at <= source.from) {
      return absl::OkStatus();
    }
    return sink(piece.substr(piece.size() - std::min<uint64_t>(piece.size(), at - source.from)));
  });
  const auto content = [&](const Entry& entry) -> absl::Status {
    if (entry.size == 0) {
      return absl::OkStatus();
    }
    const uint64_t skipped =
        std::min(entry.size, source.from - std::min(source.from, tar.offset()));
    at += skipped;
    RETURN_IF_ERROR(tar.Skip(skipped));
    if (skipped == entry.size) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(ContentFile file, source.open(entry));
    file.offset += skipped;
    file.size -= skipped;
    return ReadContent(file, Digest(), [&](std::string_view piece) {
      return stop.stop_requested() ? Stopped() : tar.Data(piece);
    });
  };
  for (size_t i = 0; i < source.layer.size(); ++i) {
    if (stop.stop_requested()) {
      return Stopped();
    }
    Entry entry = source.layer.At(i);
    absl::Status written =
        WriteEntry(entry, NewestNs(source.epoch), &tar, [&] { return content(entry); });
    if (!written.ok()) {
      return Explained(written, entry);
    }
  }
  return tar.Finish();
}

}  // namespace zlayer
