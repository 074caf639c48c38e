// Entries and indexes for tests, in one line each.
#ifndef ZLAYER_REGISTRY_LAYER_TESTING_ENTRIES_H_
#define ZLAYER_REGISTRY_LAYER_TESTING_ENTRIES_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "registry/layer/index.h"

namespace zlayer {

inline Entry MakeEntry(std::string_view path, EntryType type, uint32_t mode) {
  Entry entry;
  entry.path = std::string(path);
  entry.type = type;
  entry.mode = mode;
  return entry;
}

inline Entry DirectoryEntry(std::string_view path, uint32_t mode = 0755) {
  return MakeEntry(path, EntryType::kDirectory, mode);
}

inline Entry OpaqueEntry(std::string_view path) {
  Entry entry = DirectoryEntry(path);
  entry.opaque = true;
  return entry;
}

inline Entry FileEntry(std::string_view path, std::string_view content = "", uint32_t mode = 0644) {
  Entry entry = MakeEntry(path, EntryType::kFile, mode);
  entry.size = content.size();
  entry.content = Digest::Of(content);
  return entry;
}

inline Entry HardLinkEntry(std::string_view path, std::string_view leader) {
  Entry entry = MakeEntry(path, EntryType::kFile, 0);
  entry.hard_link = std::string(leader);
  return entry;
}

inline Entry SymlinkEntry(std::string_view path, std::string_view target) {
  Entry entry = MakeEntry(path, EntryType::kSymlink, 0777);
  entry.link_target = std::string(target);
  return entry;
}

inline Entry WhiteoutEntry(std::string_view path) {
  return MakeEntry(path, EntryType::kWhiteout, 0);
}

// Fails the test where the entries make no index.
inline std::string SerializeEntries(const std::vector<Entry>& entries) {
  LayerIndexBuilder builder;
  for (const Entry& entry : entries) {
    absl::Status status = builder.Add(entry);
    EXPECT_TRUE(status.ok()) << status;
  }
  auto bytes = builder.Serialize();
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *bytes : "";
}

inline std::shared_ptr<const LayerIndex> MakeIndex(const std::vector<Entry>& entries) {
  auto index = LayerIndex::FromBytes(SerializeEntries(entries));
  EXPECT_TRUE(index.ok()) << index.status();
  return index.ok() ? *index : nullptr;
}

inline std::vector<Entry> EntriesOf(const LayerIndex& index) {
  std::vector<Entry> entries;
  for (size_t i = 0; i < index.size(); ++i) {
    entries.push_back(index.At(i));
  }
  return entries;
}

inline std::vector<std::string> PathsOf(const LayerIndex& index) {
  std::vector<std::string> paths;
  for (size_t i = 0; i < index.size(); ++i) {
    paths.emplace_back(index.PathAt(i));
  }
  return paths;
}

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_TESTING_ENTRIES_H_
