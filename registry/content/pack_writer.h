// The writer of one pack: what PackWriter promises, without a database round trip for each content.
#ifndef ZLAYER_REGISTRY_CONTENT_PACK_WRITER_H_
#define ZLAYER_REGISTRY_CONTENT_PACK_WRITER_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/digest.h"
#include "base/unique_fd.h"
#include "registry/content/content_store.h"

namespace zlayer {

// Where a content lies in its pack.
struct PackEntry {
  Digest digest;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// A pack that is complete: its bytes are written to `file`, which has no name yet.
struct FinishedPack {
  std::shared_ptr<const UniqueFd> file;
  uint64_t size = 0;
  std::vector<PackEntry> entries;
};

// Writes to `file`, an empty one without a name. `contents` says what is stored already and must
// outlive the writer. `commit` is called at most once, with at least one entry.
std::unique_ptr<PackWriter> NewPackWriter(UniqueFd file, ContentStore* contents,
                                          absl::AnyInvocable<absl::Status(FinishedPack)> commit);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CONTENT_PACK_WRITER_H_
