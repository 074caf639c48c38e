// Mount points that an overlay's layers hide although its lowest layer has them.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_HIDDEN_STUBS_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_HIDDEN_STUBS_H_

#include <absl/status/status.h>
#include <sys/stat.h>

#include <string>
#include <vector>

namespace zlayer {

// Makes them in the mounted overlay before a run, removes them from the upper directory after it,
// so that it holds only what the process wrote.
class HiddenStubs {
 public:
  // Both directories by descriptor; `mount_points` as ContainerRun has them.
  absl::Status Make(int merged, int upper, const std::vector<std::string>& mount_points);

  // When the overlay is unmounted. Directories that came into `upper` only because of a stub and
  // that the process left as they were go, too.
  absl::Status Remove(int upper);

 private:
  // A directory that overlayfs copied up when a stub was made in it.
  struct CopiedDirectory {
    std::string path;
    struct stat before;
  };

  absl::Status MakeOne(int merged, int upper, const std::string& path, bool is_directory);

  std::vector<std::string> stubs_;
  std::vector<CopiedDirectory> copied_;  // parents first
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_HIDDEN_STUBS_H_
