// The entries of a context as a client sends them: checked, then turned into an index.
#ifndef ZLAYER_DAEMON_SERVICE_CONTEXT_ENTRIES_H_
#define ZLAYER_DAEMON_SERVICE_CONTEXT_ENTRIES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/layer/index.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// kResourceExhausted (reason CONTEXT_TOO_LARGE).
absl::Status ContextTooLarge(std::string_view message);

// Not thread-safe.
class ContextEntries {
 public:
  struct Limits {
    uint64_t entries = 5'000'000;
    // Of paths, link targets and extended attributes.
    uint64_t metadata_bytes = uint64_t{1} << 30;
  };

  explicit ContextEntries(const Limits& limits) : limits_(limits) {}

  // The next entry. kInvalidArgument names an entry that is not clean, out of order, there twice,
  // or without its parent directory; kResourceExhausted where there are too many.
  absl::Status Add(const v1::ContextEntry& entry);

  size_t size() const { return items_.size(); }
  const Entry& At(size_t i) const { return items_[i].entry; }

  // An index of all entries, with the digests that the client sent, to decide what is selected.
  absl::StatusOr<std::shared_ptr<const LayerIndex>> Index();

  // All entries were added: says which of them are selected, all where `selected` is null. Of each
  // group of hard links the first selected one stands for the file.
  void Select(const std::vector<bool>* selected);

  // Positions of the selected files whose content is a content of its own.
  std::vector<uint64_t> Files() const;
  // What the file's bytes turned out to be.
  void SetContent(size_t i, const Digest& digest) {
    items_[i].entry.content = digest;
    indexed_.clear();
  }

  // The index of what is selected, as LayerStore::Add takes it. Every file has its content.
  absl::StatusOr<std::string> Serialize() const;

 private:
  struct Item {
    Entry entry;
    uint64_t group = 0;
    size_t leader = 0;  // itself, or the position of the file that it is a hard link of
    bool selected = true;
  };

  // Keeps `open_` up to date.
  absl::Status CheckPlace(std::string_view path);

  const Limits limits_;
  std::deque<Item> items_;
  std::vector<std::string> open_;  // directories that the last entry is in, or is
  uint64_t metadata_bytes_ = 0;
  std::string indexed_;  // what Serialize gives, where that is known already
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_CONTEXT_ENTRIES_H_
