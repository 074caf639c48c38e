// One connection to SQLite with its prepared statements. Used by database.cc only; everybody else
// sees a Connection.
#ifndef ZLAYER_REGISTRY_META_CONNECTION_H_
#define ZLAYER_REGISTRY_META_CONNECTION_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "registry/meta/database.h"

struct sqlite3;

namespace zlayer {

// Used by one thread at a time.
class SqliteConnection : public Connection {
 public:
  enum class Mode { kWriter, kReader };

  // A reader refuses to change anything. The writer makes the file where it is missing. kDataLoss
  // where the file is not a database.
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& file, Mode mode);

  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  absl::StatusOr<Statement> Prepare(std::string_view sql) override;
  int64_t last_insert_rowid() const override;
  int64_t changes() const override;

  // One statement without rows, prepared once and kept.
  absl::Status Execute(std::string_view sql);
  // Several statements, compiled each time.
  absl::Status ExecuteScript(const std::string& sql);
  // The single value of a statement.
  absl::StatusOr<int64_t> QueryInt(std::string_view sql);
  // False also after an error that made SQLite undo the whole transaction.
  bool InTransaction() const;
  // Empties the page cache.
  void ReleaseMemory();

 private:
  using Pool = std::vector<std::unique_ptr<Statement::Prepared>>;

  explicit SqliteConnection(sqlite3* handle);
  absl::StatusOr<std::unique_ptr<Statement::Prepared>> Compile(std::string_view sql);

  sqlite3* const handle_;
  // More than one of the same SQL only where it is used inside itself.
  std::map<std::string, Pool, std::less<>> statements_;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_META_CONNECTION_H_
