// File contents in unnamed files, for tests: what a pack would hold.
#ifndef ZLAYER_REGISTRY_LAYER_TESTING_MEMORY_CONTENTS_H_
#define ZLAYER_REGISTRY_LAYER_TESTING_MEMORY_CONTENTS_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "registry/content/content_store.h"

namespace zlayer {

// A file in memory that holds `bytes`.
inline ContentFile MemoryFile(std::string_view bytes) {
  auto fd = std::make_shared<UniqueFd>(memfd_create("content", MFD_CLOEXEC));
  EXPECT_TRUE(fd->valid());
  absl::Status written = PwriteFully(fd->get(), bytes, 0);
  EXPECT_TRUE(written.ok()) << written;
  return {fd, 0, bytes.size()};
}

// Not thread-safe.
class MemoryPack final : public PackWriter {
 public:
  absl::Status Append(std::string_view data) override {
    current_ += data;
    return absl::OkStatus();
  }
  absl::StatusOr<Digest> End() override { return Put(std::exchange(current_, {})); }
  void Abandon() override { current_.clear(); }
  absl::StatusOr<Digest> Copy(const ContentFile& file, const Digest& known) override {
    RETURN_IF_ERROR(ReadContent(file, known, [this](std::string_view d) { return Append(d); }));
    return End();
  }
  absl::StatusOr<ContentFile> Open(const Digest& digest) override {
    auto found = contents_.find(digest);
    if (found == contents_.end()) {
      return NotFound("no such content: " + digest.ToString());
    }
    return MemoryFile(found->second);
  }
  absl::Status Commit() override { return absl::OkStatus(); }

  Digest Put(std::string content) {
    Digest digest = Digest::Of(content);
    contents_[digest] = std::move(content);
    return digest;
  }
  const std::map<Digest, std::string>& contents() const { return contents_; }

 private:
  std::string current_;
  std::map<Digest, std::string> contents_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_TESTING_MEMORY_CONTENTS_H_
