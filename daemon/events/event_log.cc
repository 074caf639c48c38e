#include "daemon/events/event_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "daemon/events/record_reader.h"
#include "daemon/events/valid_text.h"
#include "daemon/events/watchers.h"

namespace zlayer {
namespace {

using google::protobuf::util::TimeUtil;

absl::Status CheckId(std::string_view id) {
  bool good = !id.empty() && id.size() <= 64 && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  return good ? absl::OkStatus()
              : InvalidArgument("a build's id is 1 to 64 lower-case letters, digits and hyphens");
}

absl::StatusOr<v1::BuildEvent> ParseEvent(std::string_view payload, uint64_t sequence) {
  v1::BuildEvent event;
  if (!event.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
      event.sequence() != sequence) {
    return DataLoss(fmt::format("record {} does not hold event {}", sequence, sequence));
  }
  return event;
}

// A build's log file, opened for appending when it is first needed.
class LogFile {
 public:
  LogFile(std::string directory, std::string id)
      : directory_(std::move(directory)),
        id_(std::move(id)),
        folder_(directory_ + "/" + id_),
        path_(folder_ + "/events") {}

  const std::string& path() const { return path_; }

  // How many of the file's first bytes may be shown.
  uint64_t visible() const { return visible_.load(std::memory_order_acquire); }

  absl::StatusOr<v1::BuildEvent> Append(v1::BuildEvent event, int64_t now_ns) {
    MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Open(/*create=*/true));
    if (ended_) {
      return FailedPrecondition(fmt::format("build {} has ended", id_));
    }
    *event.mutable_time() = TimeUtil::NanosecondsToTimestamp(now_ns);
    return Add(std::move(event));
  }

  // Sets `made` where the event was written.
  absl::StatusOr<v1::BuildEvent> Begin(v1::BuildEvent first, bool* made) {
    MutexLock lock(&mutex_);
    bool was_open = fd_.valid();
    RETURN_IF_ERROR(Open(/*create=*/true));
    *made = records_ == 0;
    absl::StatusOr<v1::BuildEvent> event = *made ? Add(std::move(first)) : ReadLast();
    if (!was_open) {
      fd_.Reset();
    }
    return event;
  }

  absl::StatusOr<v1::BuildEvent> Last() {
    MutexLock lock(&mutex_);
    bool was_open = fd_.valid();
    absl::Status status = Open(/*create=*/false);
    if (absl::IsNotFound(status)) {
      return v1::BuildEvent();
    }
    RETURN_IF_ERROR(status);
    absl::StatusOr<v1::BuildEvent> event = v1::BuildEvent();
    if (records_ > 0) {
      event = ReadLast();
    }
    if (!was_open) {
      fd_.Reset();
    }
    return event;
  }

  void Close() {
    MutexLock lock(&mutex_);
    fd_.Reset();
  }

 private:
  // Makes `fd_` and what describes the file valid; cuts a torn tail.
  absl::Status Open(bool create) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (fd_.valid()) {
      return absl::OkStatus();
    }
    if (create) {
      RETURN_IF_ERROR(MakeDirectories(folder_, 0700));
    }
    ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path_, O_RDWR | (create ? O_CREAT : 0), 0600));
    ASSIGN_OR_RETURN(LogExtent extent, ScanLog(fd.get()));
    struct stat info;
    if (fstat(fd.get(), &info) != 0) {
      return ErrnoError("reading its size");
    }
    if (static_cast<uint64_t>(info.st_size) > extent.size &&
        ftruncate(fd.get(), static_cast<off_t>(extent.size)) != 0) {
      return ErrnoError("cutting its torn tail");
    }
    fd_ = std::move(fd);
    size_ = extent.size;
    records_ = extent.records;
    last_ = extent.last;
    ended_ = false;
    visible_.store(size_, std::memory_order_release);
    return records_ > 0 ? LearnEnd() : absl::OkStatus();
  }

  // A terminal event that a dead daemon left may not have been synced yet.
  absl::Status LearnEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    absl::StatusOr<v1::BuildEvent> event = ReadLast();
    absl::Status status = event.status();
    if (status.ok() && IsTerminal(*event)) {
      ended_ = true;
      status = Sync();
    }
    if (!status.ok()) {
      fd_.Reset();
    }
    return status;
  }

  absl::StatusOr<v1::BuildEvent> ReadLast() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string payload(size_ - last_ - kRecordHeaderSize, '\0');
    RETURN_IF_ERROR(
        PreadFully(fd_.get(), payload.data(), payload.size(), last_ + kRecordHeaderSize));
    return ParseEvent(payload, records_);
  }

  absl::Status Write(const std::string& payload) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (payload.size() > kMaxRecordPayload) {
      return ResourceExhausted(fmt::format("an event of {} bytes is larger than the limit of {}",
                                           payload.size(), kMaxRecordPayload));
    }
    written_ = kRecordHeaderSize + payload.size();
    return PwriteFully(fd_.get(), RecordHeader(payload) + payload, size_);
  }

  absl::Status Sync() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (fdatasync(fd_.get()) != 0) {
      return ErrnoError("syncing");
    }
    for (const std::string& directory : {folder_, directory_}) {
      ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(directory, O_RDONLY | O_DIRECTORY));
      if (fsync(fd.get()) != 0) {
        return ErrnoError("syncing " + directory);
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<v1::BuildEvent> Add(v1::BuildEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    event.set_build_id(id_);
    event.set_sequence(records_ + 1);
    MakeTextValid(&event);
    absl::Status status = Write(event.SerializeAsString());
    if (status.ok() && IsTerminal(event)) {
      status = Sync();
    }
    return Announce(std::move(event), status);
  }

  // The record is written, or takes back what was written of it.
  absl::StatusOr<v1::BuildEvent> Announce(v1::BuildEvent event, const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!status.ok()) {
      // Where even this fails, the next Open cuts the tail.
      if (ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) {
        fd_.Reset();
      }
      return status;
    }
    last_ = size_;
    size_ += written_;
    ++records_;
    ended_ = IsTerminal(event);
    visible_.store(size_, std::memory_order_release);
    return event;
  }

  const std::string directory_;
  const std::string id_;
  const std::string folder_;
  const std::string path_;
  // No limit until the file was opened for appending: it may have ended long ago.
  std::atomic<uint64_t> visible_{RecordReader::kNoLimit};

  Mutex mutex_;  // orders the events of this build; held while they are written
  UniqueFd fd_ ABSL_GUARDED_BY(mutex_);
  // Valid while `fd_` is.
  uint64_t size_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t records_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t written_ ABSL_GUARDED_BY(mutex_) = 0;  // size of the record that is being written
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

struct Log {
  Log(const std::string& directory, const std::string& id) : file(directory, id) {}
  LogFile file;
  Watchers watchers;
  std::atomic<bool> removed = false;
};

class DiskEventLogs;

// Keeps a build's log in the table, so that all who are interested share it.
class LogUse {
 public:
  LogUse(DiskEventLogs* owner, std::string id, std::shared_ptr<Log> log)
      : owner_(owner), id_(std::move(id)), log_(std::move(log)) {}
  LogUse(LogUse&&) noexcept = default;
  LogUse& operator=(LogUse&&) = delete;
  ~LogUse();
  Log* operator->() const { return log_.get(); }

 private:
  DiskEventLogs* owner_;
  std::string id_;
  std::shared_ptr<Log> log_;
};

class DiskEventReader : public EventReader {
 public:
  DiskEventReader(LogUse log, uint64_t after) : log_(std::move(log)), after_(after) {}

  absl::StatusOr<bool> Next(v1::BuildEvent* event) override {
    // Looked at first: what was there before the removal is read.
    const bool removed = log_->removed;
    absl::StatusOr<bool> found = Find(event);
    if (removed && !ended_ && found.ok() && !*found) {
      return NotFound("the build was deleted");
    }
    if (!found.ok()) {
      return Annotate(found.status(), log_->file.path());
    }
    return found;
  }

  bool MayHaveNext() const override {
    return records_ == nullptr || log_->removed || records_->position() < log_->file.visible();
  }

 private:
  absl::StatusOr<bool> Find(v1::BuildEvent* event) {
    if (ended_) {
      return false;
    }
    if (records_ == nullptr) {
      absl::StatusOr<UniqueFd> fd = OpenFile(log_->file.path(), O_RDONLY);
      if (absl::IsNotFound(fd.status())) {
        return false;
      }
      RETURN_IF_ERROR(fd.status());
      fd_ = *std::move(fd);
      records_ = std::make_unique<RecordReader>(fd_.get());
    }
    uint64_t visible = log_->file.visible();
    for (; sequence_ < after_; ++sequence_) {
      ASSIGN_OR_RETURN(bool skipped, records_->Skip(visible));
      if (!skipped) {
        return false;
      }
    }
    std::string_view payload;
    ASSIGN_OR_RETURN(bool found, records_->Next(visible, &payload));
    if (!found) {
      return false;
    }
    ASSIGN_OR_RETURN(*event, ParseEvent(payload, sequence_ + 1));
    ++sequence_;
    ended_ = IsTerminal(*event);
    return true;
  }

  const LogUse log_;
  const uint64_t after_;
  UniqueFd fd_;
  std::unique_ptr<RecordReader> records_;  // of `fd_`; null until the log exists
  uint64_t sequence_ = 0;                  // records passed
  bool ended_ = false;
};

class DiskSubscription : public EventLogs::Subscription {
 public:
  DiskSubscription(LogUse log, std::function<void()> wake)
      : log_(std::move(log)), place_(log_->watchers.Add(std::move(wake))) {}
  ~DiskSubscription() override { log_->watchers.Remove(place_); }

 private:
  const LogUse log_;
  const Watchers::Place place_;
};

class DiskEventLogs : public EventLogs {
 public:
  DiskEventLogs(std::string directory, const Clock* clock)
      : directory_(std::move(directory)), clock_(clock) {}

  absl::StatusOr<v1::BuildEvent> Append(const std::string& build_id,
                                        v1::BuildEvent event) override {
    RETURN_IF_ERROR(CheckId(build_id));
    LogUse log = Use(build_id, /*append=*/true);
    absl::StatusOr<v1::BuildEvent> written = log->file.Append(std::move(event), clock_->NowNs());
    if (!written.ok()) {
      return Annotate(written.status(), "appending to " + log->file.path());
    }
    log->watchers.Wake();
    return written;
  }

  absl::StatusOr<v1::BuildEvent> Begin(const std::string& build_id, v1::BuildEvent first) override {
    RETURN_IF_ERROR(CheckId(build_id));
    LogUse log = Use(build_id);
    bool made = false;
    absl::StatusOr<v1::BuildEvent> last = log->file.Begin(std::move(first), &made);
    if (!last.ok()) {
      return Annotate(last.status(), log->file.path());
    }
    if (made) {
      log->watchers.Wake();
    }
    return last;
  }

  absl::StatusOr<v1::BuildEvent> Last(const std::string& build_id) override {
    RETURN_IF_ERROR(CheckId(build_id));
    LogUse log = Use(build_id);
    absl::StatusOr<v1::BuildEvent> event = log->file.Last();
    if (!event.ok()) {
      return Annotate(event.status(), log->file.path());
    }
    return event;
  }

  absl::StatusOr<std::unique_ptr<EventReader>> Read(const std::string& build_id,
                                                    uint64_t after) override {
    RETURN_IF_ERROR(CheckId(build_id));
    return std::make_unique<DiskEventReader>(Use(build_id), after);
  }

  std::unique_ptr<Subscription> Subscribe(const std::string& build_id,
                                          std::function<void()> wake) override {
    return std::make_unique<DiskSubscription>(Use(build_id), std::move(wake));
  }

  std::vector<std::string> Watched() override {
    std::vector<std::string> ids;
    MutexLock lock(&mutex_);
    for (const auto& [id, entry] : logs_) {
      if (entry.log->watchers.any()) {
        ids.push_back(id);
      }
    }
    return ids;
  }

  absl::StatusOr<std::vector<std::string>> Ids() override {
    std::vector<std::string> ids;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end;
         entry.increment(error)) {
      std::string name = entry->path().filename();
      if (CheckId(name).ok()) {
        ids.push_back(std::move(name));
      }
    }
    if (error) {
      return ErrnoError(error.value(), directory_);
    }
    return ids;
  }

  absl::Status Remove(const std::string& build_id) override {
    RETURN_IF_ERROR(CheckId(build_id));
    LogUse log = Use(build_id);
    Close(build_id);
    absl::Status status = RemoveTree(directory_ + "/" + build_id);
    if (status.ok()) {
      log->removed = true;
      log->watchers.Wake();
    }
    return status;
  }

  void Close(const std::string& build_id) override {
    LogUse log = Use(build_id);
    log->file.Close();
    MutexLock lock(&mutex_);
    logs_[build_id].appending = false;
  }

  // `log` is the use's share of the entry; without users and append mode the entry goes.
  void EndUse(const std::string& id, std::shared_ptr<Log> log) {
    std::shared_ptr<Log> last;  // closes the file after the lock is gone
    MutexLock lock(&mutex_);
    log.reset();
    auto entry = logs_.find(id);
    if (!entry->second.appending && entry->second.log.use_count() == 1) {
      last = std::move(entry->second.log);
      logs_.erase(entry);
    }
  }

 private:
  struct Entry {
    std::shared_ptr<Log> log;
    bool appending = false;  // keeps the entry, and the open file, until Close
  };

  LogUse Use(const std::string& id, bool append = false) {
    MutexLock lock(&mutex_);
    Entry& entry = logs_[id];
    if (entry.log == nullptr) {
      entry.log = std::make_shared<Log>(directory_, id);
    }
    entry.appending = entry.appending || append;
    return LogUse(this, id, entry.log);
  }

  const std::string directory_;
  const Clock* const clock_;

  Mutex mutex_;
  std::map<std::string, Entry> logs_ ABSL_GUARDED_BY(mutex_);
};

LogUse::~LogUse() {
  if (log_ != nullptr) {
    owner_->EndUse(id_, std::move(log_));
  }
}

}  // namespace

bool IsTerminal(const v1::BuildEvent& event) {
  return event.has_build_complete() || event.has_build_failed() || event.has_build_canceled();
}

std::unique_ptr<EventLogs> OpenEventLogs(const std::string& directory, const Clock* clock) {
  return std::make_unique<DiskEventLogs>(directory, clock);
}

}  // namespace zlayer
