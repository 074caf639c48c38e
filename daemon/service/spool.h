// An archive that arrives piece by piece, kept in a file without a name until all of it is there.
#ifndef ZLAYER_DAEMON_SERVICE_SPOOL_H_
#define ZLAYER_DAEMON_SERVICE_SPOOL_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "registry/content/content_file.h"

namespace zlayer {

// Goes with its file. Not thread-safe.
class Spool {
 public:
  // In `directory`; takes at most `limit` bytes.
  static absl::StatusOr<std::unique_ptr<Spool>> Open(const std::string& directory, uint64_t limit);

  // kResourceExhausted beyond the limit.
  absl::Status Append(std::string_view data);

  // All that was appended.
  ContentFile Content() const { return ContentFile{fd_, 0, size_}; }
  uint64_t size() const { return size_; }

 private:
  Spool(UniqueFd fd, std::string directory, uint64_t limit);

  const std::shared_ptr<const UniqueFd> fd_;
  const std::string directory_;
  const uint64_t limit_;
  uint64_t size_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_SERVICE_SPOOL_H_
