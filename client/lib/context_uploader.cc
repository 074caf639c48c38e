#include "client/lib/context_uploader.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/lib/context_walker.h"
#include "client/lib/stoppable_reader.h"
#include "client/lib/upload_stream.h"

namespace zlayer {
namespace {

constexpr size_t kFrame = size_t{1} << 20;
// Of entries: the daemon takes some in while others are looked at.
constexpr size_t kEntriesFrame = size_t{128} << 10;
// The call has ended; the stream knows why.
constexpr char kEnded[] = "the upload has ended";

absl::Status Ended() { return absl::OutOfRangeError(kEnded); }
bool IsEnded(const absl::Status& status) {
  return absl::IsOutOfRange(status) && Message(status) == kEnded;
}

absl::Status Changed(const std::string& path) {
  return absl::AbortedError(fmt::format(
      "\"{}\" of the build context changed while it was sent: run the build again", ToUtf8(path)));
}

absl::StatusOr<FileIdentity> Identify(int fd, const std::string& path) {
  struct stat info;
  if (fstat(fd, &info) != 0) {
    return ErrnoError(fmt::format("reading \"{}\" of the build context", ToUtf8(path)));
  }
  if (!S_ISREG(info.st_mode)) {
    return Changed(path);
  }
  return FileIdentity::Of(info);
}

// Reads up to `size` bytes, fewer where the file ends; returns how many.
absl::StatusOr<size_t> ReadUpTo(int fd, const std::string& path, char* to, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = read(fd, to + done, size - done);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return ErrnoError(fmt::format("reading \"{}\" of the build context", ToUtf8(path)));
    }
    if (count == 0) {
      break;
    }
    done += static_cast<size_t>(count);
  }
  return done;
}

// What is kept of each entry until its content is sent.
struct LocalFile {
  std::string path;  // empty: not a file
  FileIdentity identity;
  bool has_digest = false;
};

class DirectoryUpload {
 public:
  DirectoryUpload(Connection& connection, int root, const UploadOptions& options,
                  std::stop_token stop)
      : root_(root), options_(options), stop_(stop), stream_(connection, std::move(stop)) {}

  absl::StatusOr<v1::ContextReady> Run();

 private:
  absl::Status SendAll();
  absl::Status SendStart();
  absl::Status SendIndex();
  absl::Status AddEntry(v1::ContextEntry entry, const FileIdentity& identity);
  absl::Status FlushEntries(bool last);
  absl::Status SendContents();
  absl::Status AddSmall(uint64_t index, const LocalFile& file);
  absl::Status FlushSmall();
  absl::Status SendLarge(uint64_t index, const LocalFile& file);
  // Whether a file that is `now` is still what the index said.
  static bool Fits(const LocalFile& file, const FileIdentity& now) {
    return now.size == file.identity.size && (!file.has_digest || now == file.identity);
  }
  void Learn(const FileIdentity& identity, int64_t read_at, const Digest& digest);
  absl::Status Write(const v1::UploadContextRequest& request);

  const int root_;
  const UploadOptions& options_;
  const std::stop_token stop_;
  UploadStream stream_;
  std::vector<LocalFile> files_;  // by entry number
  v1::UploadContextRequest batch_;
  size_t batch_bytes_ = 0;
  v1::UploadContextRequest small_;  // files that are sent together
  size_t small_bytes_ = 0;
  UploadCounts counts_;
};

absl::Status DirectoryUpload::Write(const v1::UploadContextRequest& request) {
  if (!stream_.Write(request)) {
    return Ended();
  }
  if (options_.progress) {
    counts_.entries += static_cast<uint64_t>(request.entries().entries_size());
    counts_.files += request.contents().count() + (request.content().last() ? 1 : 0);
    counts_.bytes += request.contents().data().size() + request.content().data().size();
    options_.progress(counts_);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::ContextReady> DirectoryUpload::Run() {
  absl::Status status = SendAll();
  if (!status.ok() && !IsEnded(status)) {
    return status;
  }
  return stream_.Finish();
}

absl::Status DirectoryUpload::SendAll() {
  RETURN_IF_ERROR(SendStart());
  RETURN_IF_ERROR(SendIndex());
  return SendContents();
}

absl::Status DirectoryUpload::SendStart() {
  v1::UploadContextRequest request;
  v1::UploadStart* start = request.mutable_start();
  start->set_namespace_(options_.name_space);
  start->set_context_name(options_.context_name);
  if (options_.spec != nullptr) {
    *start->mutable_spec() = *options_.spec;
  }
  return Write(request);
}

absl::Status DirectoryUpload::SendIndex() {
  WalkOptions walk;
  walk.ignore = options_.ignore;
  walk.digests = options_.digests;
  walk.now_ns = SystemClock()->NowNs();
  RETURN_IF_ERROR(WalkContext(
      root_, walk,
      [this](v1::ContextEntry entry, const FileIdentity& identity) {
        return AddEntry(std::move(entry), identity);
      },
      stop_));
  return FlushEntries(/*last=*/true);
}

absl::Status DirectoryUpload::AddEntry(v1::ContextEntry entry, const FileIdentity& identity) {
  size_t size = entry.ByteSizeLong() + 8;
  if (batch_bytes_ + size > kEntriesFrame && batch_bytes_ > 0) {
    RETURN_IF_ERROR(FlushEntries(/*last=*/false));
  }
  LocalFile& file = files_.emplace_back();
  if (entry.type() == v1::ContextEntry::FILE) {
    file.path = entry.path();
    file.identity = identity;
    file.has_digest = !entry.sha256().empty();
  }
  batch_bytes_ += size;
  *batch_.mutable_entries()->add_entries() = std::move(entry);
  return absl::OkStatus();
}

absl::Status DirectoryUpload::FlushEntries(bool last) {
  batch_.mutable_entries()->set_last(last);
  absl::Status status = Write(batch_);
  batch_.mutable_entries()->Clear();
  batch_bytes_ = 0;
  return status;
}

absl::Status DirectoryUpload::SendContents() {
  while (std::optional<uint64_t> index = stream_.NextWanted()) {
    if (*index >= files_.size() || files_[*index].path.empty()) {
      return Internal(fmt::format("the daemon asked for entry {}, which is no file", *index));
    }
    const LocalFile& file = files_[*index];
    if (file.identity.size > kFrame - small_bytes_) {
      RETURN_IF_ERROR(FlushSmall());
    }
    RETURN_IF_ERROR(file.identity.size <= kFrame ? AddSmall(*index, file)
                                                 : SendLarge(*index, file));
  }
  return FlushSmall();
}

// The message's data is as long as it can become, so that it need not be cleared for each file.
absl::Status DirectoryUpload::AddSmall(uint64_t index, const LocalFile& file) {
  v1::FileContents* contents = small_.mutable_contents();
  contents->mutable_data()->resize(kFrame);
  char* const to = contents->mutable_data()->data() + small_bytes_;
  const size_t size = file.identity.size;
  for (int attempt = 0; attempt < 2; ++attempt) {
    int64_t read_at = SystemClock()->NowNs();
    ASSIGN_OR_RETURN(UniqueFd fd, OpenContextFile(root_, file.path));
    ASSIGN_OR_RETURN(FileIdentity before, Identify(fd.get(), file.path));
    ASSIGN_OR_RETURN(size_t done, ReadUpTo(fd.get(), file.path, to, size));
    ASSIGN_OR_RETURN(FileIdentity after, Identify(fd.get(), file.path));
    if (before == after && Fits(file, after) && done == size) {
      if (contents->count() == 0) {
        contents->set_first(index);
      }
      contents->set_count(contents->count() + 1);
      small_bytes_ += size;
      Learn(after, read_at, Digest::Of({to, size}));
      return absl::OkStatus();
    }
  }
  return Changed(file.path);
}

absl::Status DirectoryUpload::FlushSmall() {
  if (small_.contents().count() == 0) {
    return absl::OkStatus();
  }
  small_.mutable_contents()->mutable_data()->resize(small_bytes_);
  absl::Status status = Write(small_);
  small_.mutable_contents()->set_count(0);
  small_bytes_ = 0;
  return status;
}

absl::Status DirectoryUpload::SendLarge(uint64_t index, const LocalFile& file) {
  int64_t read_at = SystemClock()->NowNs();
  ASSIGN_OR_RETURN(UniqueFd fd, OpenContextFile(root_, file.path));
  ASSIGN_OR_RETURN(FileIdentity before, Identify(fd.get(), file.path));
  if (!Fits(file, before)) {
    return Changed(file.path);
  }
  Sha256 digest;
  v1::UploadContextRequest request;
  v1::FileContent* content = request.mutable_content();
  content->set_entry(index);
  for (uint64_t left = before.size; left > 0;) {
    size_t size = left < kFrame ? static_cast<size_t>(left) : kFrame;
    content->mutable_data()->resize(size);
    ASSIGN_OR_RETURN(size_t done,
                     ReadUpTo(fd.get(), file.path, content->mutable_data()->data(), size));
    if (done != size) {
      return Changed(file.path);
    }
    digest.Update(content->data());
    left -= size;
    if (left == 0) {
      ASSIGN_OR_RETURN(FileIdentity after, Identify(fd.get(), file.path));
      if (after != before) {
        return Changed(file.path);
      }
      content->set_last(true);
    }
    RETURN_IF_ERROR(Write(request));
  }
  Learn(before, read_at, digest.Finish());
  return absl::OkStatus();
}

void DirectoryUpload::Learn(const FileIdentity& identity, int64_t read_at, const Digest& digest) {
  if (options_.digests != nullptr && IsSettled(identity, read_at)) {
    options_.digests->Add(identity, digest);
  }
}

}  // namespace

absl::StatusOr<v1::ContextReady> UploadDirectory(Connection& connection, int root,
                                                 const UploadOptions& options,
                                                 std::stop_token stop) {
  return DirectoryUpload(connection, root, options, std::move(stop)).Run();
}

absl::StatusOr<v1::ContextReady> UploadTar(Connection& connection, int fd,
                                           const UploadOptions& options, std::stop_token stop) {
  UploadStream stream(connection, stop);
  StoppableReader reader(fd, stop);
  v1::UploadContextRequest request;
  request.mutable_start()->set_namespace_(options.name_space);
  request.mutable_start()->set_context_name(options.context_name);
  request.mutable_start()->set_tar(true);
  UploadCounts counts;
  while (stream.Write(request)) {
    if (options.progress) {
      counts.bytes += request.tar().data().size();
      options.progress(counts);
    }
    std::string* data = request.mutable_tar()->mutable_data();
    data->resize(kFrame);
    ASSIGN_OR_RETURN(size_t size, reader.Read(data->data(), data->size()));
    if (size == 0) {
      break;
    }
    data->resize(size);
  }
  return stream.Finish();
}

}  // namespace zlayer
