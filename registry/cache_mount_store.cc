#include "registry/cache_mount_store.h"

#include <errno.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "base/strings.h"

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
  std::string holder;  // the build that took it last
};

class DiskCacheMountStore : public CacheMountStore {
 public:
  DiskCacheMountStore(const std::string& root, Database* database, const Clock* clock)
      : root_(root), database_(database), clock_(clock) {}

  absl::Status Load();

  absl::StatusOr<std::vector<std::shared_ptr<const CacheMount>>> Take(
      const CacheMountUser& user, const std::vector<CacheMountRequest>& requests,
      const std::stop_token& stop) override;
  absl::StatusOr<std::vector<StoredCacheMount>> List() override;
  absl::StatusOr<bool> Remove(uint64_t number, int64_t used_ns, const std::string& trash) override;
  absl::Status RemoveStray(const std::string& trash) override;

 private:
  class Use;

  absl::StatusOr<std::shared_ptr<const CacheMount>> TakeOne(const Key& key,
                                                            const CacheMountUser& user,
                                                            CacheSharing sharing, size_t position,
                                                            const std::stop_token& stop);
  absl::StatusOr<Directory> Wait(const Key& key, const CacheMountUser& user, CacheSharing sharing,
                                 const std::stop_token& stop);
  const Directory* Choose(const Key& key, CacheSharing sharing, const std::string& build)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string HolderOf(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<Key> TakeForRemoval(uint64_t number);
  absl::StatusOr<bool> RemoveRow(uint64_t number, int64_t used_ns);
  absl::Status MoveAway(uint64_t number, const std::string& trash) const;
  absl::StatusOr<std::set<uint64_t>> NumbersOnDisk() const;
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
  // What a crash left without a row keeps its number to itself.
  ASSIGN_OR_RETURN(const std::set<uint64_t> on_disk, NumbersOnDisk());
  if (!on_disk.empty()) {
    next_number = std::max(next_number, *on_disk.rbegin() + 1);
  }
  MutexLock lock(&mutex_);
  directories_ = std::move(directories);
  next_number_ = next_number;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::shared_ptr<const CacheMount>>> DiskCacheMountStore::Take(
    const CacheMountUser& user, const std::vector<CacheMountRequest>& requests,
    const std::stop_token& stop) {
  struct Wanted {
    size_t first = 0;  // request
    CacheSharing sharing = CacheSharing::kShared;
  };
  std::map<Key, Wanted> wanted;
  std::vector<Key> keys;
  for (size_t i = 0; i < requests.size(); ++i) {
    keys.emplace_back(user.name_space, requests[i].id, requests[i].seed);
    Wanted& directory = wanted.try_emplace(keys[i], Wanted{.first = i}).first->second;
    directory.sharing = std::max(directory.sharing, requests[i].sharing);
  }
  std::vector<std::shared_ptr<const CacheMount>> mounts(requests.size());
  for (const auto& [key, directory] : wanted) {
    ASSIGN_OR_RETURN(mounts[directory.first],
                     TakeOne(key, user, directory.sharing, directory.first, stop));
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    mounts[i] = mounts[wanted.find(keys[i])->second.first];
  }
  return mounts;
}

absl::StatusOr<std::shared_ptr<const CacheMount>> DiskCacheMountStore::TakeOne(
    const Key& key, const CacheMountUser& user, CacheSharing sharing, size_t position,
    const std::stop_token& stop) {
  ASSIGN_OR_RETURN(const Directory taken, Wait(key, user, sharing, stop));
  if (!taken.ready) {
    const absl::Status made =
        Make(taken, [&](const std::string& directory) { return user.fill(position, directory); });
    Made(key, taken.number, made.ok());
    RETURN_IF_ERROR(Annotate(made, fmt::format("the cache mount \"{}\"", std::get<1>(key))));
  }
  auto use = std::make_shared<Use>(this, key, taken.number);
  RETURN_IF_ERROR(PutRow(key, taken.number));
  return use;
}

// Takes a directory, once there is one to be had.
absl::StatusOr<Directory> DiskCacheMountStore::Wait(const Key& key, const CacheMountUser& user,
                                                    CacheSharing sharing,
                                                    const std::stop_token& stop) {
  std::optional<std::string> told;
  while (true) {
    std::optional<Directory> taken;
    std::string holder;
    {
      MutexLock lock(&mutex_);
      const bool found = changed_.Wait(&mutex_, stop, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        const Directory* directory = Choose(key, sharing, user.build);
        taken = directory == nullptr ? std::nullopt : std::optional(*directory);
        holder = HolderOf(key);
        return taken.has_value() || holder != told;
      });
      if (!found) {
        return Cancelled(fmt::format(
            "the build was canceled while it waited for the cache mount \"{}\"", std::get<1>(key)));
      }
    }
    if (taken.has_value()) {
      return *taken;
    }
    told = holder;
    if (user.waiting) {
      user.waiting(std::get<1>(key), holder);
    }
  }
}

// Of the first directory in use.
std::string DiskCacheMountStore::HolderOf(const Key& key) {
  for (const Directory& directory : directories_[key]) {
    if (directory.users > 0) {
      return directory.holder;
    }
  }
  return "";
}

// Takes a directory, or returns null where one must be waited for.
const Directory* DiskCacheMountStore::Choose(const Key& key, CacheSharing sharing,
                                             const std::string& build) {
  std::vector<Directory>& directories = directories_[key];
  const bool shares = sharing == CacheSharing::kShared;
  if (sharing == CacheSharing::kLocked &&
      std::any_of(directories.begin(), directories.end(),
                  [](const Directory& directory) { return directory.users > 0; })) {
    return nullptr;
  }
  for (Directory& directory : directories) {
    if (shares && directory.shared && directory.users > 0) {
      if (!directory.ready) {
        return nullptr;
      }
      ++directory.users;
      directory.holder = build;
      return &directory;
    }
  }
  for (Directory& directory : directories) {
    if (directory.users == 0) {
      directory.users = 1;
      directory.shared = shares;
      directory.holder = build;
      return &directory;
    }
  }
  directories.push_back({.number = next_number_++, .users = 1, .shared = shares, .holder = build});
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

absl::StatusOr<std::vector<StoredCacheMount>> DiskCacheMountStore::List() {
  std::vector<StoredCacheMount> mounts;
  RETURN_IF_ERROR(database_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement rows,
                     connection.Prepare("SELECT number, namespace, id, created, used "
                                        "FROM cache_mounts ORDER BY number"));
    while (true) {
      ASSIGN_OR_RETURN(bool more, rows.Step());
      if (!more) {
        return absl::OkStatus();
      }
      mounts.push_back({static_cast<uint64_t>(rows.Int(0)), std::string(rows.Text(1)),
                        std::string(rows.Text(2)), rows.Int(3), rows.Int(4)});
    }
  }));
  MutexLock lock(&mutex_);
  std::set<uint64_t> used;
  for (const auto& [key, directories] : directories_) {
    for (const Directory& directory : directories) {
      if (directory.users > 0) {
        used.insert(directory.number);
      }
    }
  }
  for (StoredCacheMount& mount : mounts) {
    mount.in_use = used.contains(mount.number);
  }
  return mounts;
}

// As its one user, who is no build.
std::optional<Key> DiskCacheMountStore::TakeForRemoval(uint64_t number) {
  MutexLock lock(&mutex_);
  for (auto& [key, directories] : directories_) {
    for (Directory& directory : directories) {
      if (directory.number == number && directory.users == 0) {
        directory.users = 1;
        directory.shared = false;
        directory.holder.clear();
        return key;
      }
    }
  }
  return std::nullopt;
}

absl::StatusOr<bool> DiskCacheMountStore::RemoveRow(uint64_t number, int64_t used_ns) {
  bool removed = false;
  RETURN_IF_ERROR(database_->WriteUnsynced([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM cache_mounts "
                                                          "WHERE number = ? AND used <= ?"));
    RETURN_IF_ERROR(remove.Bind(1, static_cast<int64_t>(number)).Bind(2, used_ns).Run());
    removed = connection.changes() > 0;
    return absl::OkStatus();
  }));
  return removed;
}

absl::Status DiskCacheMountStore::MoveAway(uint64_t number, const std::string& trash) const {
  const std::string to = fmt::format("{}/cache-mount-{}", trash, number);
  return rename(PathOf(number).c_str(), to.c_str()) == 0 || errno == ENOENT
             ? absl::OkStatus()
             : ErrnoError(fmt::format("moving {} to {}", PathOf(number), to));
}

absl::StatusOr<bool> DiskCacheMountStore::Remove(uint64_t number, int64_t used_ns,
                                                 const std::string& trash) {
  const std::optional<Key> key = TakeForRemoval(number);
  if (!key.has_value()) {
    return false;
  }
  const absl::StatusOr<bool> removed = RemoveRow(number, used_ns);
  if (!removed.ok() || !*removed) {
    Release(*key, number);
    return removed;
  }
  const absl::Status moved = MoveAway(number, trash);
  MutexLock lock(&mutex_);
  auto found = directories_.find(*key);
  std::erase_if(found->second, [number](const Directory& other) { return other.number == number; });
  if (found->second.empty()) {
    directories_.erase(found);
  }
  changed_.NotifyAll();
  RETURN_IF_ERROR(moved);
  return true;
}

absl::StatusOr<std::set<uint64_t>> DiskCacheMountStore::NumbersOnDisk() const {
  std::set<uint64_t> numbers;
  std::error_code error;
  std::filesystem::directory_iterator entries(root_ + "/cache-mounts", error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (std::optional<uint64_t> number = ParseUint(entries->path().filename().string())) {
      numbers.insert(*number);
    }
  }
  if (error) {
    return ErrnoError(error.value(), "listing " + root_ + "/cache-mounts");
  }
  return numbers;
}

// Numbers only grow, so one that is not known now never will be.
absl::Status DiskCacheMountStore::RemoveStray(const std::string& trash) {
  ASSIGN_OR_RETURN(std::set<uint64_t> stray, NumbersOnDisk());
  {
    MutexLock lock(&mutex_);
    for (const auto& [key, directories] : directories_) {
      for (const Directory& directory : directories) {
        stray.erase(directory.number);
      }
    }
    stray.erase(stray.lower_bound(next_number_), stray.end());
  }
  for (uint64_t number : stray) {
    RETURN_IF_ERROR(MoveAway(number, trash));
  }
  return absl::OkStatus();
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
