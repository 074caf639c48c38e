// A real store in a directory of the test's own, with filesystems made of entries in one line each.
#ifndef ZLAYER_BACKENDS_NATIVE_TESTING_STORE_FIXTURE_H_
#define ZLAYER_BACKENDS_NATIVE_TESTING_STORE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/native/file/filesystem.h"
#include "base/clock.h"
#include "base/files.h"
#include "registry/layer/testing/entries.h"
#include "registry/store.h"
#include "tests/status_matchers.h"

namespace zlayer {

// An entry and, for a file, its content.
using FileSpec = std::pair<Entry, std::string>;

inline FileSpec File(std::string_view path, const std::string& content, uint32_t mode = 0644) {
  return {FileEntry(path, content, mode), content};
}
inline FileSpec Owned(FileSpec file, uint32_t uid, uint32_t gid) {
  file.first.uid = uid;
  file.first.gid = gid;
  return file;
}
inline FileSpec Dir(std::string_view path, uint32_t mode = 0755) {
  return {DirectoryEntry(path, mode), ""};
}
inline FileSpec Link(std::string_view path, std::string_view target) {
  return {SymlinkEntry(path, target), ""};
}

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make("/tmp", "zlayer-store-"));
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(directory_.path() + "/root", SystemClock()));
  }

  LayerRef Layer(const std::vector<FileSpec>& files) {
    std::vector<Entry> entries;
    auto pack = store_->contents().NewPack();
    EXPECT_OK(pack);
    for (const auto& [entry, content] : files) {
      entries.push_back(entry);
      if (entry.type == EntryType::kFile) {
        EXPECT_OK((*pack)->Append(content));
        EXPECT_OK((*pack)->End());
      }
    }
    EXPECT_OK((*pack)->Commit());
    auto layer = store_->layers().Add(SerializeEntries(entries), "");
    EXPECT_OK(layer);
    return layer.ok() ? *layer : nullptr;
  }

  Filesystem Files(const std::vector<FileSpec>& files) {
    return {.view = Rootfs({Layer(files)}), .layers = &store_->layers()};
  }

  ScopedDirectory directory_;
  std::unique_ptr<Store> store_;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_TESTING_STORE_FIXTURE_H_
