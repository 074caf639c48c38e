// Contents of a layer's files, one after the other, read ahead of who takes them: opening and
// reading overlap with digesting.
#ifndef ZLAYER_REGISTRY_LAYER_CONTENT_AHEAD_H_
#define ZLAYER_REGISTRY_LAYER_CONTENT_AHEAD_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "registry/layer/index.h"
#include "registry/layer/tree.h"

namespace zlayer {

// Whether a tar has a content for the entry: a file with bytes that is not another's hard link.
bool HasContent(const Entry& entry);

// Holds 4 MiB at most. A layer with less than one is read at once, any other on a thread of its
// own. To be used by one thread.
class ContentAhead {
 public:
  // Calls what it is given for every entry, in the layer's order, and returns the first error.
  using Entries = std::function<absl::Status(const std::function<absl::Status(const Entry&)>&)>;

  // Both must outlive the reader. A requested `stop` ends waits with kCancelled.
  ContentAhead(const LayerIndex& layer, const ContentOpener& open, std::stop_token stop);
  // Of a layer without an index yet, with `bytes` of contents. What `entries` visits must stay.
  ContentAhead(Entries entries, uint64_t bytes, const ContentOpener& open, std::stop_token stop);
  ~ContentAhead();

  // Whether the bytes of the next content (of the next entry that HasContent, in the layer's order)
  // are known to have its digest (ContentFile::verified). Errors are those of opening it.
  absl::StatusOr<bool> NextIsVerified();
  // The bytes of the next content, in pieces. Errors of reading it, and the first one of `sink`,
  // after which nothing may be called.
  absl::Status Take(const std::function<absl::Status(std::string_view)>& sink);

 private:
  struct Part {
    size_t begin = 0;
    size_t size = 0;
    bool verified = false;
    bool last = false;  // of its content
  };
  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t used = 0;
    std::vector<Part> parts;
    absl::Status error;  // what comes after the parts
  };

  absl::Status ReadAll(std::stop_token stop);
  absl::Status ReadOne(const ContentFile& file, std::stop_token stop);
  absl::Status NewBlock(std::stop_token stop);
  void Pass();
  absl::StatusOr<const Part*> Current();
  void Drop();

  const Entries entries_;
  const ContentOpener& open_;
  const std::stop_token stop_;

  std::optional<Block> filling_;  // the reader's
  std::optional<Block> taking_;   // the caller's
  size_t next_part_ = 0;

  Mutex mutex_;
  CondVar changed_;
  std::deque<Block> full_ ABSL_GUARDED_BY(mutex_);
  std::deque<Block> empty_ ABSL_GUARDED_BY(mutex_);
  size_t blocks_ ABSL_GUARDED_BY(mutex_) = 0;

  std::jthread reader_;  // last: it uses all of the above
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_CONTENT_AHEAD_H_
