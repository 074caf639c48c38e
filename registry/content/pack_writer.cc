#include "registry/content/pack_writer.h"

#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <string>
#include <unordered_map>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kBuffer = 1 << 20;

// The pack is what is in the file (up to `flushed_`) and then what is in the buffer. Contents that
// ended within the buffer are pending: before the buffer is written, one question to the store
// tells which of them it has, and their bytes are taken out. A content larger than the buffer is
// asked for by itself at its end, and the file's end set back where it is known.
class BufferedPackWriter : public PackWriter {
 public:
  BufferedPackWriter(UniqueFd file, ContentStore* contents,
                     absl::AnyInvocable<absl::Status(FinishedPack)> commit)
      : file_(std::make_shared<const UniqueFd>(std::move(file))),
        contents_(contents),
        commit_(std::move(commit)) {}

  absl::Status Append(std::string_view data) override {
    hasher_.Update(data);
    buffer_ += data;
    return buffer_.size() < kBuffer ? absl::OkStatus() : Flush();
  }

  absl::StatusOr<Digest> End() override {
    Digest digest = hasher_.Finish();
    PackEntry entry{digest, begin_, end() - begin_};
    bool buffered = begin_ >= flushed_;
    bool known = places_.contains(digest);
    if (!known && !buffered) {
      ASSIGN_OR_RETURN(known, IsStored(digest));
    }
    if (known) {
      CutAt(begin_);
      return digest;
    }
    (buffered ? pending_ : settled_).push_back(entry);
    places_.emplace(digest, entry);
    begin_ = end();
    return digest;
  }

  void Abandon() override {
    hasher_.Finish();
    CutAt(begin_);
  }

  absl::StatusOr<Digest> Copy(const ContentFile& file, const Digest& known) override {
    if (begin_ != end()) {
      return Internal("a content is copied into a pack while another one is being written");
    }
    if (!known.IsNone()) {
      bool stored = places_.contains(known);
      if (!stored) {
        ASSIGN_OR_RETURN(stored, IsStored(known));
      }
      if (stored) {
        return known;
      }
    }
    absl::Status status =
        ReadContent(file, known, [this](std::string_view piece) { return Append(piece); });
    if (!status.ok()) {
      Abandon();
      return status;
    }
    return End();
  }

  absl::StatusOr<ContentFile> Open(const Digest& digest) override {
    auto it = places_.find(digest);
    if (it != places_.end() && it->second.offset + it->second.size > flushed_) {
      RETURN_IF_ERROR(Flush());
      it = places_.find(digest);  // Flush may have found it in the store
    }
    if (it == places_.end()) {
      return contents_->Open(digest);
    }
    return ContentFile{file_, it->second.offset, it->second.size};
  }

  absl::Status Commit() override {
    Abandon();
    RETURN_IF_ERROR(Flush());
    if (settled_.empty()) {
      return absl::OkStatus();
    }
    // Behind the last content there may be one that was cut off.
    if (ftruncate(file_->get(), static_cast<off_t>(flushed_)) != 0) {
      return ErrnoError("writing a pack");
    }
    return commit_(FinishedPack{file_, flushed_, std::move(settled_)});
  }

 private:
  uint64_t end() const { return flushed_ + buffer_.size(); }

  absl::StatusOr<bool> IsStored(const Digest& digest) {
    ASSIGN_OR_RETURN(std::vector<bool> stored, contents_->Has({digest}));
    return stored.front();
  }

  void CutAt(uint64_t offset) {
    if (offset >= flushed_) {
      buffer_.resize(offset - flushed_);
    } else {
      flushed_ = offset;
      buffer_.clear();
    }
  }

  // Takes the pending contents that the store has out of the buffer.
  absl::Status Settle() {
    if (pending_.empty()) {
      return absl::OkStatus();
    }
    std::vector<Digest> digests;
    for (const PackEntry& entry : pending_) {
      digests.push_back(entry.digest);
    }
    ASSIGN_OR_RETURN(std::vector<bool> stored, contents_->Has(digests));
    uint64_t to = pending_.front().offset;
    for (size_t i = 0; i < pending_.size(); ++i) {
      PackEntry entry = pending_[i];
      if (stored[i]) {
        places_.erase(entry.digest);
        continue;
      }
      MoveInBuffer(entry.offset, to, entry.size);
      entry.offset = to;
      to += entry.size;
      places_[entry.digest] = entry;
      settled_.push_back(entry);
    }
    uint64_t under_way = end() - begin_;
    MoveInBuffer(begin_, to, under_way);
    begin_ = to;
    buffer_.resize(begin_ + under_way - flushed_);
    pending_.clear();
    return absl::OkStatus();
  }

  void MoveInBuffer(uint64_t from, uint64_t to, uint64_t size) {
    if (from != to) {
      memmove(buffer_.data() + (to - flushed_), buffer_.data() + (from - flushed_), size);
    }
  }

  absl::Status Flush() {
    RETURN_IF_ERROR(Settle());
    if (absl::Status status = PwriteFully(file_->get(), buffer_, flushed_); !status.ok()) {
      return Annotate(status, "storing files in the daemon's root");
    }
    flushed_ += buffer_.size();
    buffer_.clear();
    return absl::OkStatus();
  }

  const std::shared_ptr<const UniqueFd> file_;
  ContentStore* const contents_;
  absl::AnyInvocable<absl::Status(FinishedPack)> commit_;

  std::string buffer_;
  uint64_t flushed_ = 0;
  uint64_t begin_ = 0;  // of the content under way
  Sha256 hasher_;       // of the content under way

  std::vector<PackEntry> settled_;
  std::vector<PackEntry> pending_;                // wholly in the buffer, one behind the other
  std::unordered_map<Digest, PackEntry> places_;  // of the settled and the pending
};

}  // namespace

std::unique_ptr<PackWriter> NewPackWriter(UniqueFd file, ContentStore* contents,
                                          absl::AnyInvocable<absl::Status(FinishedPack)> commit) {
  return std::make_unique<BufferedPackWriter>(std::move(file), contents, std::move(commit));
}

}  // namespace zlayer
