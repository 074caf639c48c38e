// SHA-256 of a stream and of parts of it: of a tar and of the files in it, read once.
#ifndef ZLAYER_BASE_NESTED_SHA256_H_
#define ZLAYER_BASE_NESTED_SHA256_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/digest.h"

namespace zlayer {

// Where the processor has SHA instructions, both digests together cost little more than one does,
// for a part that begins at a multiple of 64 bytes: the same blocks go into two states, which share
// the expansion of the message and wait for each other's instructions. Not thread-safe.
class NestedSha256 {
 public:
  NestedSha256();
  ~NestedSha256();

  // More of the stream, and of the part under way.
  void Update(std::string_view data);
  // The next `size` bytes are a part; one that did not end is dropped.
  void Begin(uint64_t size);
  // Of what came of the part. Only after Begin.
  Digest End();
  // The digest of the stream. Nothing may be called after it.
  Digest Finish();

 private:
  struct States;
  const std::unique_ptr<States> states_;
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_NESTED_SHA256_H_
