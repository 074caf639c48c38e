#include "daemon/service/spool.h"

#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {

Spool::Spool(UniqueFd fd, std::string directory, uint64_t limit)
    : fd_(std::make_shared<const UniqueFd>(std::move(fd))),
      directory_(std::move(directory)),
      limit_(limit) {}

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(const std::string& directory, uint64_t limit) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenUnnamedFile(directory));
  return std::unique_ptr<Spool>(new Spool(std::move(fd), directory, limit));
}

absl::Status Spool::Append(std::string_view data) {
  if (data.size() > limit_ - size_) {
    return ResourceExhausted(
        fmt::format("the archive is larger than the limit of {} MiB", limit_ >> 20));
  }
  if (absl::Status status = PwriteFully(fd_->get(), data, size_); !status.ok()) {
    return Annotate(status, "keeping the archive in " + directory_);
  }
  size_ += data.size();
  return absl::OkStatus();
}

}  // namespace zlayer
