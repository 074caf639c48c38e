// The uploads of blobs that are under way, by the id that is in their URL.
#ifndef ZLAYER_REGISTRY_SERVER_UPLOAD_SESSIONS_H_
#define ZLAYER_REGISTRY_SERVER_UPLOAD_SESSIONS_H_

#include <absl/status/statusor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "registry/image/repositories.h"

namespace zlayer {

struct UploadLimits {
  size_t sessions = 256;
  // An upload that no request has used for so long is dropped.
  std::chrono::nanoseconds idle = std::chrono::hours(1);
  // The same where another one wants its place: clients that went away must not keep others out.
  std::chrono::nanoseconds crowded = std::chrono::minutes(1);
};

// Thread-safe. They are lost when the process ends; clients begin anew then.
class UploadSessions {
 private:
  struct Session;

 public:
  // The one user of an upload. When it goes the next one may have it, unless it was taken out.
  class Lease {
   public:
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) = delete;
    ~Lease();

    const std::string& id() const { return id_; }
    BlobUpload& upload();
    // The session ends; its id is unknown from now on.
    std::unique_ptr<BlobUpload> TakeOut();

   private:
    friend class UploadSessions;
    Lease(UploadSessions* owner, std::string id, std::shared_ptr<Session> session)
        : owner_(owner), id_(std::move(id)), session_(std::move(session)) {}

    UploadSessions* owner_;
    std::string id_;
    std::shared_ptr<Session> session_;  // none once it was taken out or moved from
  };

  // The clock must outlive it.
  UploadSessions(const UploadLimits& limits, const Clock* clock);

  // A new id that nobody can guess. kResourceExhausted: there are too many, all in use of late.
  absl::StatusOr<std::string> Add(const std::string& repository,
                                  std::unique_ptr<BlobUpload> upload);
  // kNotFound: there is none of this id in this repository; kUnavailable: a request has it.
  absl::StatusOr<Lease> Take(const std::string& repository, const std::string& id);
  // How many bytes it had when it was last used, also while a request has it. kNotFound.
  absl::StatusOr<uint64_t> Size(const std::string& repository, const std::string& id);
  // Drops what was idle for too long.
  void Expire();

 private:
  struct Session {
    std::string repository;
    std::unique_ptr<BlobUpload> upload;  // its lease's while `taken`
    bool taken = false;
    uint64_t size = 0;
    int64_t used_ns = 0;
  };

  // None of this id in this repository: null.
  std::shared_ptr<Session> Find(const std::string& repository, const std::string& id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Return(Session* session);
  // Takes out the one that was idle the longest, if that was too long for a crowd.
  std::shared_ptr<Session> MakeRoom(int64_t now_ns) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const UploadLimits limits_;
  const Clock* const clock_;
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_UPLOAD_SESSIONS_H_
