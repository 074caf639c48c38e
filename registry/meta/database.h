// The metadata database: one SQLite file (WAL), one writer thread that commits in groups, readers
// with connections of their own. schema.sql says what is in it.
#ifndef ZLAYER_REGISTRY_META_DATABASE_H_
#define ZLAYER_REGISTRY_META_DATABASE_H_

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace zlayer {

// A prepared statement that is running. Parameters count from 1, columns from 0. Values of text and
// blob columns are valid until the next Step or Bind. Errors of binding surface in Step.
//
// After its last row, or when a parameter is bound anew, a statement begins again; parameters keep
// their values. So one statement may look up many keys: Bind, Step, Bind, Step. Must not outlive
// the call of the Work that prepared it.
class Statement {
 public:
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();  // back to the connection, for the next use of the same SQL

  Statement& Bind(int parameter, int64_t value);
  Statement& BindText(int parameter, std::string_view value);
  Statement& BindBlob(int parameter, std::string_view value);
  Statement& BindDigest(int parameter, const Digest& value) {
    return BindBlob(parameter, value.Bytes());
  }
  Statement& BindNull(int parameter);

  // True with a row, false at the end.
  absl::StatusOr<bool> Step();
  // Runs a statement without rows to its end; may then be bound and run again.
  absl::Status Run();

  int64_t Int(int column) const;
  std::string_view Text(int column) const;  // blobs too
  bool IsNull(int column) const;
  absl::StatusOr<Digest> DigestAt(int column) const;

 private:
  friend class SqliteConnection;
  struct Prepared;
  explicit Statement(Prepared* prepared);
  Prepared* prepared_;
};

// One connection; used by one thread at a time.
class Connection {
 public:
  virtual ~Connection() = default;
  // Prepared once and kept. `sql` is a literal of ours: an error in it is kInternal.
  virtual absl::StatusOr<Statement> Prepare(std::string_view sql) = 0;
  virtual int64_t last_insert_rowid() const = 0;
  virtual int64_t changes() const = 0;
};

// Thread-safe.
class Database {
 public:
  using Work = absl::AnyInvocable<absl::Status(Connection&)>;

  virtual ~Database() = default;

  // Runs `work` on the writer thread inside a transaction that others may share, and returns once
  // that is committed and synced: an acknowledgement may follow. An error of `work` undoes what it
  // did, and only that, and is returned. `work` does no other I/O, takes no lock, and runs once.
  // Constraints: kAlreadyExists where a row must be unique, kFailedPrecondition for the others.
  virtual absl::Status Write(Work work) = 0;

  // The same without waiting for the disk: what it wrote is seen by all and survives the death of
  // the process; a power failure may undo it, and then all that was written later too. The next
  // Write syncs it along. For what can be made again, like layers and cache records.
  virtual absl::Status WriteUnsynced(Work work) = 0;

  // Runs `work` on a reader connection of the pool, on the calling thread. It sees what was
  // committed when it began.
  virtual absl::Status Read(Work work) = 0;
};

// Opens or creates the database, or brings one that an older zlayerd wrote up to date.
// kFailedPrecondition where its schema is of a newer version, too old or not ours, kDataLoss where
// it is damaged. Only its head is checked here: damage further inside is kDataLoss where a
// statement meets it. When nothing was written for as long as `idle`, memory that connections keep
// is given up. No call may be under way when the database is destroyed.
absl::StatusOr<std::unique_ptr<Database>> OpenDatabase(
    const std::string& file, std::chrono::nanoseconds idle = std::chrono::seconds(10));

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_META_DATABASE_H_
