#include "registry/server/upload_sessions.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

// 122 random bits in the form of a UUID (RFC 4122, version 4), which the specification asks for.
std::string NewId() {
  std::string hex = RandomHex();
  hex[12] = '4';
  hex[16] = '8';
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

absl::Status Unknown() { return NotFound("there is no such upload in this repository"); }

}  // namespace

UploadSessions::Lease::~Lease() {
  if (session_ != nullptr) {
    owner_->Return(session_.get());
  }
}

BlobUpload& UploadSessions::Lease::upload() { return *session_->upload; }

std::unique_ptr<BlobUpload> UploadSessions::Lease::TakeOut() {
  const std::shared_ptr<Session> session = std::move(session_);
  MutexLock lock(&owner_->mutex_);
  owner_->sessions_.erase(id_);
  return std::move(session->upload);
}

UploadSessions::UploadSessions(const UploadLimits& limits, const Clock* clock)
    : limits_(limits), clock_(clock) {}

absl::StatusOr<std::string> UploadSessions::Add(const std::string& repository,
                                                std::unique_ptr<BlobUpload> upload) {
  Expire();
  std::string id = NewId();
  auto session = std::make_shared<Session>(
      Session{.repository = repository, .upload = std::move(upload), .used_ns = clock_->NowNs()});
  std::shared_ptr<Session> crowded_out;  // destroyed without the lock
  MutexLock lock(&mutex_);
  if (sessions_.size() >= limits_.sessions) {
    crowded_out = MakeRoom(clock_->NowNs());
  }
  if (sessions_.size() >= limits_.sessions) {
    return ResourceExhausted(
        fmt::format("there are {} uploads under way, which is the most that this registry takes",
                    limits_.sessions));
  }
  sessions_.emplace(id, std::move(session));
  return id;
}

absl::StatusOr<UploadSessions::Lease> UploadSessions::Take(const std::string& repository,
                                                           const std::string& id) {
  Expire();
  MutexLock lock(&mutex_);
  std::shared_ptr<Session> session = Find(repository, id);
  if (session == nullptr) {
    return Unknown();
  }
  if (std::exchange(session->taken, true)) {
    return Unavailable("another request is using this upload");
  }
  return Lease(this, id, std::move(session));
}

absl::StatusOr<uint64_t> UploadSessions::Size(const std::string& repository,
                                              const std::string& id) {
  Expire();
  MutexLock lock(&mutex_);
  const std::shared_ptr<Session> session = Find(repository, id);
  if (session == nullptr) {
    return Unknown();
  }
  session->used_ns = clock_->NowNs();
  return session->size;
}

void UploadSessions::Expire() {
  const int64_t oldest = clock_->NowNs() - limits_.idle.count();
  std::vector<std::shared_ptr<Session>> expired;  // destroyed without the lock
  MutexLock lock(&mutex_);
  for (auto at = sessions_.begin(); at != sessions_.end();) {
    if (!at->second->taken && at->second->used_ns < oldest) {
      expired.push_back(std::move(at->second));
      at = sessions_.erase(at);
    } else {
      ++at;
    }
  }
}

std::shared_ptr<UploadSessions::Session> UploadSessions::MakeRoom(int64_t now_ns) {
  auto longest = sessions_.end();
  for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
    const bool idle = !at->second->taken && at->second->used_ns < now_ns - limits_.crowded.count();
    if (idle && (longest == sessions_.end() || at->second->used_ns < longest->second->used_ns)) {
      longest = at;
    }
  }
  if (longest == sessions_.end()) {
    return nullptr;
  }
  std::shared_ptr<Session> session = std::move(longest->second);
  sessions_.erase(longest);
  return session;
}

std::shared_ptr<UploadSessions::Session> UploadSessions::Find(const std::string& repository,
                                                              const std::string& id) {
  const auto found = sessions_.find(id);
  return found != sessions_.end() && found->second->repository == repository ? found->second
                                                                             : nullptr;
}

void UploadSessions::Return(Session* session) {
  MutexLock lock(&mutex_);
  session->taken = false;
  session->size = session->upload->size();
  session->used_ns = clock_->NowNs();
}

}  // namespace zlayer
