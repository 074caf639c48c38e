// Files and directories. Paths are bytes; nothing here follows a link that it was not given.
#ifndef ZLAYER_BASE_FILES_H_
#define ZLAYER_BASE_FILES_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace zlayer {

// The whole file. kResourceExhausted where it is larger than `limit` bytes.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit = size_t{64} << 20);

// All of `fd` from its position to its end, with the same limit.
absl::StatusOr<std::string> ReadAll(int fd, size_t limit = size_t{64} << 20);

// Writes a temporary sibling and renames it over `path`: readers see the old or the new content.
// Not synced.
absl::Status WriteFileAtomically(const std::string& path, std::string_view content,
                                 mode_t mode = 0644);

// Writes all of `data`, however often the kernel takes less.
absl::Status WriteFully(int fd, std::string_view data);
absl::Status PwriteFully(int fd, std::string_view data, uint64_t offset);

// Reads exactly `size` bytes at `offset`; kDataLoss where the file ends before.
absl::Status PreadFully(int fd, char* buffer, size_t size, uint64_t offset);

// open() and openat() with O_CLOEXEC, as a status. The message names `path`.
absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode = 0644);
absl::StatusOr<UniqueFd> OpenFileAt(int directory, const std::string& path, int flags,
                                    mode_t mode = 0644);

// mkdir -p. Directories that exist keep their mode.
absl::Status MakeDirectories(const std::string& path, mode_t mode = 0755);

// rm -rf, however deep, without following links. Missing is fine. kFailedPrecondition names a
// directory on which something is mounted: nothing in that is removed.
absl::Status RemoveTree(const std::string& path);

// A directory that is removed with its content when this object goes.
class ScopedDirectory {
 public:
  // Makes `<parent>/<prefix><random>`.
  static absl::StatusOr<ScopedDirectory> Make(const std::string& parent, std::string_view prefix);

  ScopedDirectory() = default;
  ScopedDirectory(ScopedDirectory&& other) noexcept;
  ScopedDirectory& operator=(ScopedDirectory&& other) noexcept;
  ~ScopedDirectory();

  const std::string& path() const { return path_; }

 private:
  explicit ScopedDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// A file without a name (O_TMPFILE) in `directory`, for reading and writing.
absl::StatusOr<UniqueFd> OpenUnnamedFile(const std::string& directory);

// Gives an unnamed file a name. kAlreadyExists where `path` is taken.
absl::Status LinkUnnamedFile(int fd, const std::string& path);

// 16 random bytes in hex.
std::string RandomHex();

}  // namespace zlayer

#endif  // ZLAYER_BASE_FILES_H_
