#include "client/cli/directory_project.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "client/lib/context_walker.h"

namespace zlayer {
namespace {

class DirectoryProject : public ProjectFiles {
 public:
  explicit DirectoryProject(UniqueFd root) : root_(std::move(root)) {}

  absl::StatusOr<std::vector<std::string>> Names() override {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenFileAt(root_.get(), ".", O_RDONLY | O_DIRECTORY));
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd.get()), closedir);
    if (directory == nullptr) {
      return ErrnoError("reading the build context");
    }
    fd.Release();
    std::vector<std::string> names;
    while (const dirent* entry = readdir(directory.get())) {
      struct stat status;
      if (fstatat(root_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
          !S_ISDIR(status.st_mode)) {
        names.emplace_back(entry->d_name);
      }
    }
    return names;
  }

  absl::StatusOr<std::string> Read(const std::string& path) override {
    ASSIGN_OR_RETURN(const UniqueFd file, OpenContextFile(root_.get(), path));
    return ReadAll(file.get(), kMaxBytes);
  }

 private:
  const UniqueFd root_;
};

}  // namespace

absl::StatusOr<DetectedRuntime> DetectRuntimeOf(const std::string& directory) {
  ASSIGN_OR_RETURN(UniqueFd root, OpenContext(directory));
  DirectoryProject project(std::move(root));
  return DetectRuntime(project);
}

}  // namespace zlayer
