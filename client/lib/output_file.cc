#include "client/lib/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

bool IsReplaced(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode);
}

}  // namespace

OutputFile::OutputFile(std::string path, std::string partial, UniqueFd fd)
    : path_(std::move(path)), partial_(std::move(partial)), fd_(std::move(fd)) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      partial_(std::exchange(other.partial_, "")),
      fd_(std::move(other.fd_)) {}

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  if (!IsReplaced(path)) {
    ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC));
    return OutputFile(path, "", std::move(fd));
  }
  std::string partial = path + ".partial" + RandomHex();
  ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(partial, O_WRONLY | O_CREAT | O_EXCL));
  return OutputFile(path, std::move(partial), std::move(fd));
}

OutputFile::~OutputFile() {
  if (!partial_.empty()) {
    unlink(partial_.c_str());
  }
}

absl::Status OutputFile::Write(std::string_view data) {
  return Annotate(WriteFully(fd_.get(), data), fmt::format("writing \"{}\"", path_));
}

absl::Status OutputFile::Finish() {
  if (!partial_.empty() && rename(partial_.c_str(), path_.c_str()) != 0) {
    return ErrnoError(fmt::format("writing \"{}\"", path_));
  }
  partial_.clear();
  return absl::OkStatus();
}

absl::Status WriteOutput(const std::string& path, std::string_view content) {
  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  RETURN_IF_ERROR(file.Write(content));
  return file.Finish();
}

}  // namespace zlayer
