#include "registry/meta/connection.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr int kBusyTimeoutMs = 10'000;

// synchronous=FULL: a commit ends synced. The log is cut back when it has grown beyond 64 MiB.
// Caches are small: there are many connections, and what they miss is in the system's page cache.
// Ten times as much made neither a rebuild nor a garbage collection faster.
constexpr char kPragmas[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
    "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -400; PRAGMA journal_size_limit = 67108864;";
constexpr char kReaderPragmas[] = "PRAGMA query_only = ON; PRAGMA cache_size = -100;";

absl::Status SqliteError(sqlite3* handle) {
  std::string message = fmt::format("metadata database: {}", sqlite3_errmsg(handle));
  int code = sqlite3_extended_errcode(handle);
  if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY) {
    return AlreadyExists(message);
  }
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
      return FailedPrecondition(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DataLoss(message);
    case SQLITE_FULL:
      return ResourceExhausted(message + "; make room there");
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
      return ResourceExhausted(message);
    case SQLITE_BUSY:
      return Unavailable(message + "; another program uses the database, and must end first");
    default:
      return Internal(message);
  }
}

// SQLite takes a null pointer for NULL.
const char* NotNull(std::string_view value) { return value.data() == nullptr ? "" : value.data(); }

}  // namespace

struct Statement::Prepared {
  explicit Prepared(sqlite3_stmt* compiled) : handle(compiled) {}
  ~Prepared() { sqlite3_finalize(handle); }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;

  // For a new value: a statement that stands at a row takes none.
  sqlite3_stmt* ForBinding() {
    if (sqlite3_stmt_busy(handle) != 0) {
      sqlite3_reset(handle);
    }
    return handle;
  }
  void Note(int result) {
    if (result != SQLITE_OK && bind_error.ok()) {
      bind_error = Internal(fmt::format("metadata database: cannot bind a parameter of \"{}\": {}",
                                        sqlite3_sql(handle), sqlite3_errstr(result)));
    }
  }

  sqlite3_stmt* const handle;
  bool in_use = false;
  absl::Status bind_error;
};

Statement::Statement(Prepared* prepared) : prepared_(prepared) { prepared_->in_use = true; }

Statement::Statement(Statement&& other) noexcept
    : prepared_(std::exchange(other.prepared_, nullptr)) {}

Statement::~Statement() {
  if (prepared_ != nullptr) {
    sqlite3_reset(prepared_->handle);
    sqlite3_clear_bindings(prepared_->handle);
    prepared_->bind_error = absl::OkStatus();
    prepared_->in_use = false;
  }
}

Statement& Statement::Bind(int parameter, int64_t value) {
  prepared_->Note(sqlite3_bind_int64(prepared_->ForBinding(), parameter, value));
  return *this;
}

Statement& Statement::BindText(int parameter, std::string_view value) {
  prepared_->Note(sqlite3_bind_text64(prepared_->ForBinding(), parameter, NotNull(value),
                                      value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::BindBlob(int parameter, std::string_view value) {
  prepared_->Note(sqlite3_bind_blob64(prepared_->ForBinding(), parameter, NotNull(value),
                                      value.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::BindNull(int parameter) {
  prepared_->Note(sqlite3_bind_null(prepared_->ForBinding(), parameter));
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  RETURN_IF_ERROR(prepared_->bind_error);
  int result = sqlite3_step(prepared_->handle);
  if (result == SQLITE_ROW) {
    return true;
  }
  absl::Status status;
  if (result != SQLITE_DONE) {
    status = SqliteError(sqlite3_db_handle(prepared_->handle));
  }
  sqlite3_reset(prepared_->handle);
  RETURN_IF_ERROR(status);
  return false;
}

absl::Status Statement::Run() {
  while (true) {
    ASSIGN_OR_RETURN(bool more, Step());
    if (!more) {
      return absl::OkStatus();
    }
  }
}

int64_t Statement::Int(int column) const { return sqlite3_column_int64(prepared_->handle, column); }

std::string_view Statement::Text(int column) const {
  const void* data = sqlite3_column_blob(prepared_->handle, column);
  int size = sqlite3_column_bytes(prepared_->handle, column);
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

bool Statement::IsNull(int column) const {
  return sqlite3_column_type(prepared_->handle, column) == SQLITE_NULL;
}

absl::StatusOr<Digest> Statement::DigestAt(int column) const {
  absl::StatusOr<Digest> digest = Digest::FromBytes(Text(column));
  if (!digest.ok()) {
    return DataLoss(fmt::format("metadata database: column {} of \"{}\" holds no digest", column,
                                sqlite3_sql(prepared_->handle)));
  }
  return digest;
}

absl::StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& file,
                                                                         Mode mode) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
              (mode == Mode::kWriter ? SQLITE_OPEN_CREATE : 0);
  sqlite3* handle = nullptr;
  int result = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(handle));
  if (result != SQLITE_OK) {
    return Annotate(SqliteError(handle), file);
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  absl::Status status = connection->ExecuteScript(kPragmas);
  if (status.ok() && mode == Mode::kReader) {
    status = connection->ExecuteScript(kReaderPragmas);
  }
  if (!status.ok()) {
    return Annotate(status, file);
  }
  return connection;
}

SqliteConnection::SqliteConnection(sqlite3* handle) : handle_(handle) {}

SqliteConnection::~SqliteConnection() {
  statements_.clear();
  sqlite3_close(handle_);
}

absl::StatusOr<std::unique_ptr<Statement::Prepared>> SqliteConnection::Compile(
    std::string_view sql) {
  sqlite3_stmt* compiled = nullptr;
  const char* rest = nullptr;
  int result = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                  SQLITE_PREPARE_PERSISTENT, &compiled, &rest);
  auto prepared = std::make_unique<Statement::Prepared>(compiled);
  if (result != SQLITE_OK) {
    return Annotate(SqliteError(handle_), fmt::format("preparing \"{}\"", sql));
  }
  if (compiled == nullptr || rest != sql.data() + sql.size()) {
    return Internal(fmt::format("metadata database: \"{}\" is not one statement", sql));
  }
  return prepared;
}

absl::StatusOr<Statement> SqliteConnection::Prepare(std::string_view sql) {
  auto it = statements_.find(sql);
  if (it == statements_.end()) {
    it = statements_.emplace(std::string(sql), Pool()).first;
  }
  for (const std::unique_ptr<Statement::Prepared>& prepared : it->second) {
    if (!prepared->in_use) {
      return Statement(prepared.get());
    }
  }
  ASSIGN_OR_RETURN(std::unique_ptr<Statement::Prepared> prepared, Compile(sql));
  it->second.push_back(std::move(prepared));
  return Statement(it->second.back().get());
}

int64_t SqliteConnection::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_); }

int64_t SqliteConnection::changes() const { return sqlite3_changes64(handle_); }

absl::Status SqliteConnection::Execute(std::string_view sql) {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  return statement.Run();
}

absl::Status SqliteConnection::ExecuteScript(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return SqliteError(handle_);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SqliteConnection::QueryInt(std::string_view sql) {
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql));
  ASSIGN_OR_RETURN(bool found, statement.Step());
  if (!found) {
    return Internal(fmt::format("metadata database: \"{}\" has no result", sql));
  }
  return statement.Int(0);
}

bool SqliteConnection::InTransaction() const { return sqlite3_get_autocommit(handle_) == 0; }

void SqliteConnection::ReleaseMemory() { sqlite3_db_release_memory(handle_); }

}  // namespace zlayer
