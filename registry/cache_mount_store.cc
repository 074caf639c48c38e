#include "registry/cache_mount_store.h"

#include <errno.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

// Namespace, id, seed.
using Key = std::tuple<std::string, std::string, Digest>;

struct Directory {
  uint64_t number = 0;
  size_t users = 0;
  bool shared = false;  // by its users
  bool ready = false;   // known to be there, or being made by its one user
  bool has_row = false;
};

class DiskCacheMountStore : public CacheMountStore {
 public:
  DiskCacheMountStore(const std::string& root, Database* database, const Clock* clock)
      : root_(root), database_(database), clock_(clock) {}

  absl::Status Load();

  absl::StatusOr<std::vector<std::shared_ptr<const CacheMount>>> Take(
      std::string_view name_space, const std::vector<CacheMountRequest>& requests, const Fill& fill,
      const std::stop_token& stop) override;

 private:
  class Use;

  absl::StatusOr<std::shared_ptr<const CacheMount>> TakeOne(
      const Key& key, CacheSharing sharing,
      const std::function<absl::Status(const std::string&)>& fill, const std::stop_token& stop);
  const Directory* Choose(const Key& key, CacheSharing sharing)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Directory* Find(const Key& key, uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Make(const Directory& directory,
                    const std::function<absl::Status(const std::string&)>& fill);
  absl::Status PutRow(const Key& key, uint64_t number);
  void Made(const Key& key, uint64_t number, bool good);
  void Release(const Key& key, uint64_t number);
  std::string PathOf(uint64_t number) const {
    return fmt::format("{}/cache-mounts/{}", root_, number);
  }

  const std::string root_;
  Database* const database_;
  const Clock* const clock_;

  Mutex mutex_;
  CondVar changed_;
  std::map<Key, std::vector<Directory>> directories_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
};

class DiskCacheMountStore::Use : public CacheMount {
 public:
  Use(DiskCacheMountStore* store, Key key, uint64_t number)
      : store_(store), key_(std::move(key)), number_(number), path_(store->PathOf(number)) {}
  ~Use() override { store_->Release(key_, number_); }
  const std::string& path() const override { return path_; }

 private:
  DiskCacheMountStore* const store_;
  const Key key_;
  const uint64_t number_;
  const std::string path_;
};

absl::Status DiskCacheMountStore::Load() {
  std::map<Key, std::vector<Directory>> directories;
  uint64_t next_number = 1;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement rows,
                     connection.Prepare("SELECT number, namespace, id, seed FROM cache_mounts "
                                        "ORDER BY number"));
    while (true) {
      ASSIGN_OR_RETURN(bool more, rows.Step());
      if (!more) {
        return absl::OkStatus();
      }
      ASSIGN_OR_RETURN(const Digest seed, rows.DigestAt(3));
      const auto number = static_cast<uint64_t>(rows.Int(0));
      directories[Key(rows.Text(1), rows.Text(2), seed)].push_back(
          {.number = number, .has_row = true});
      next_number = number + 1;
    }
  }));
  MutexLock lock(&mutex_);
  directories_ = std::move(directories);
  next_number_ = next_number;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::shared_ptr<const CacheMount>>> DiskCacheMountStore::Take(
    std::string_view name_space, const std::vector<CacheMountRequest>& requests, const Fill& fill,
    const std::stop_token& stop) {
  std::map<Key, size_t> first;
  std::vector<Key> keys;
  for (size_t i = 0; i < requests.size(); ++i) {
    keys.emplace_back(name_space, requests[i].id, requests[i].seed);
    first.try_emplace(keys[i], i);
  }
  std::vector<std::shared_ptr<const CacheMount>> mounts(requests.size());
  for (const auto& [key, request] : first) {
    const size_t index = request;
    ASSIGN_OR_RETURN(
        mounts[index],
        TakeOne(
            key, requests[index].sharing,
            [&](const std::string& directory) { return fill(index, directory); }, stop));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    mounts[i] = mounts[first.find(keys[i])->second];
  }
  return mounts;
}

absl::StatusOr<std::shared_ptr<const CacheMount>> DiskCacheMountStore::TakeOne(
    const Key& key, CacheSharing sharing,
    const std::function<absl::Status(const std::string&)>& fill, const std::stop_token& stop) {
  Directory taken;
  {
    MutexLock lock(&mutex_);
    const bool found = changed_.Wait(&mutex_, stop, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      const Directory* directory = Choose(key, sharing);
      taken = directory == nullptr ? Directory() : *directory;
      return directory != nullptr;
    });
    if (!found) {
      return Cancelled(fmt::format(
          "the build was canceled while it waited for the cache mount \"{}\"", std::get<1>(key)));
    }
  }
  if (!taken.ready) {
    const absl::Status made = Make(taken, fill);
    Made(key, taken.number, made.ok());
    RETURN_IF_ERROR(Annotate(made, fmt::format("the cache mount \"{}\"", std::get<1>(key))));
  }
  auto use = std::make_shared<Use>(this, key, taken.number);
  RETURN_IF_ERROR(PutRow(key, taken.number));
  return use;
}

// Takes a directory, or returns null where one must be waited for.
const Directory* DiskCacheMountStore::Choose(const Key& key, CacheSharing sharing) {
  std::vector<Directory>& directories = directories_[key];
  const bool shares = sharing == CacheSharing::kShared;
  for (Directory& directory : directories) {
    if (shares && directory.shared && directory.users > 0) {
      if (!directory.ready) {
        return nullptr;
      }
      ++directory.users;
      return &directory;
    }
  }
  for (Directory& directory : directories) {
    if (directory.users == 0) {
      directory.users = 1;
      directory.shared = shares;
      return &directory;
    }
  }
  if (sharing == CacheSharing::kLocked && !directories.empty()) {
    return nullptr;
  }
  directories.push_back({.number = next_number_++, .users = 1, .shared = shares});
  return &directories.back();
}

Directory* DiskCacheMountStore::Find(const Key& key, uint64_t number) {
  std::vector<Directory>& directories = directories_[key];
  return &*std::find_if(directories.begin(), directories.end(),
                        [number](const Directory& other) { return other.number == number; });
}

// The row comes after it: a directory without one is removed when its number comes up again.
absl::Status DiskCacheMountStore::Make(
    const Directory& directory, const std::function<absl::Status(const std::string&)>& fill) {
  const std::string path = PathOf(directory.number);
  struct stat status;
  if (directory.has_row && lstat(path.c_str(), &status) == 0) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(RemoveTree(path));
  ASSIGN_OR_RETURN(const ScopedDirectory scratch,
                   ScopedDirectory::Make(root_ + "/tmp", "cache-mount-"));
  const std::string made = scratch.path() + "/directory";
  RETURN_IF_ERROR(MakeDirectories(made));
  RETURN_IF_ERROR(fill(made));
  return rename(made.c_str(), path.c_str()) == 0 ? absl::OkStatus() : ErrnoError(path);
}

absl::Status DiskCacheMountStore::PutRow(const Key& key, uint64_t number) {
  const int64_t now = clock_->NowNs();
  return database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(
        Statement put,
        connection.Prepare("INSERT INTO cache_mounts (number, namespace, id, seed, created, used) "
                           "VALUES (?1, ?2, ?3, ?4, ?5, ?5) "
                           "ON CONFLICT (number) DO UPDATE SET used = excluded.used"));
    put.Bind(1, static_cast<int64_t>(number)).BindText(2, std::get<0>(key));
    put.BindText(3, std::get<1>(key)).BindDigest(4, std::get<2>(key)).Bind(5, now);
    return put.Run();
  });
}

void DiskCacheMountStore::Made(const Key& key, uint64_t number, bool good) {
  MutexLock lock(&mutex_);
  Directory* directory = Find(key, number);
  directory->ready = good;
  directory->has_row = directory->has_row || good;
  if (!good) {
    directory->users = 0;
    if (!directory->has_row) {
      std::erase_if(directories_[key],
                    [number](const Directory& other) { return other.number == number; });
    }
  }
  changed_.NotifyAll();
}

void DiskCacheMountStore::Release(const Key& key, uint64_t number) {
  MutexLock lock(&mutex_);
  --Find(key, number)->users;
  changed_.NotifyAll();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CacheMountStore>> OpenCacheMountStore(const std::string& root,
                                                                     Database* database,
                                                                     const Clock* clock) {
  auto store = std::make_unique<DiskCacheMountStore>(root, database, clock);
  RETURN_IF_ERROR(store->Load());
  return store;
}

}  // namespace zlayer
