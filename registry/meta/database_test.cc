#include "registry/meta/database.h"

#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <iterator>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "registry/meta/boot.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Inserts a number where the test needs any row.
absl::Status Insert(Connection& connection, int64_t number) {
  ASSIGN_OR_RETURN(Statement insert,
                   connection.Prepare("INSERT INTO tree_numbers (id) VALUES (?)"));
  return insert.Bind(1, number).Run();
}

absl::StatusOr<int64_t> Count(Connection& connection, const char* table = "tree_numbers") {
  ASSIGN_OR_RETURN(Statement count,
                   connection.Prepare(std::string("SELECT count(*) FROM ") + table));
  RETURN_IF_ERROR(count.Step().status());
  return count.Int(0);
}

absl::StatusOr<int64_t> Count(Database& database) {
  int64_t result = 0;
  RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(result, Count(connection));
    return absl::OkStatus();
  }));
  return result;
}

class DatabaseTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "database"));
    file_ = directory_.path() + "/meta.db";
    Reopen();
  }

  void Reopen() {
    database_.reset();
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(file_));
  }

  void RunRaw(const std::string& sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file_.c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(handle);
  }

  ScopedDirectory directory_;
  std::string file_;
  std::unique_ptr<Database> database_;
};

TEST_F(DatabaseTest, WrittenRowsAreThereAfterReopening) {
  ASSERT_OK(database_->Write([](Connection& connection) { return Insert(connection, 7); }));
  Reopen();
  EXPECT_THAT(Count(*database_), IsOkAndHolds(1));
}

TEST_F(DatabaseTest, AnErrorUndoesWhatItsWorkDidAndIsReturned) {
  absl::Status status = database_->Write([](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(Insert(connection, 1));
    return NotFound("no such thing");
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "no such thing"));
  EXPECT_THAT(Count(*database_), IsOkAndHolds(0));
}

TEST_F(DatabaseTest, UnsyncedWritesAreSeenAndKeptAndMixWithOthers) {
  ASSERT_OK(database_->WriteUnsynced([](Connection& connection) { return Insert(connection, 1); }));
  EXPECT_THAT(Count(*database_), IsOkAndHolds(1));
  ASSERT_OK(database_->Write([](Connection& connection) { return Insert(connection, 2); }));
  EXPECT_THAT(database_->WriteUnsynced([](Connection&) { return NotFound("none"); }),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(database_->WriteUnsynced([](Connection& connection) { return Insert(connection, 3); }));
  Reopen();
  EXPECT_THAT(Count(*database_), IsOkAndHolds(3));
}

// What each kind of write asks of SQLite; whether the disk obeys cannot be seen from here.
TEST_F(DatabaseTest, OnlyASyncedWriteCommitsWithFullSync) {
  auto level = [](int64_t* result) {
    return [result](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement pragma, connection.Prepare("SELECT * FROM pragma_synchronous"));
      RETURN_IF_ERROR(pragma.Step().status());
      *result = pragma.Int(0);
      return absl::OkStatus();
    };
  };
  int64_t synced = 0, unsynced = 0, again = 0;
  ASSERT_OK(database_->Write(level(&synced)));
  ASSERT_OK(database_->WriteUnsynced(level(&unsynced)));
  ASSERT_OK(database_->Write(level(&again)));
  EXPECT_EQ(synced, 2);
  EXPECT_EQ(unsynced, 1);
  EXPECT_EQ(again, 2);
}

// While the writer is held by one work, others collect and then share one transaction.
TEST_F(DatabaseTest, AnErrorInAGroupReachesOnlyItsCaller) {
  std::promise<void> held;
  std::promise<void> release;
  std::jthread holder([&] {
    EXPECT_OK(database_->Write([&](Connection&) {
      held.set_value();
      release.get_future().wait();
      return absl::OkStatus();
    }));
  });
  held.get_future().wait();
  constexpr int kWriters = 20;
  std::vector<absl::Status> results(kWriters);
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < kWriters; ++i) {
      writers.emplace_back([&, i] {
        results[i] = database_->Write([i](Connection& connection) -> absl::Status {
          RETURN_IF_ERROR(Insert(connection, i + 1));
          return i % 3 == 0 ? Internal("planned") : absl::OkStatus();
        });
      });
    }
    release.set_value();
  }
  for (int i = 0; i < kWriters; ++i) {
    EXPECT_EQ(results[i].ok(), i % 3 != 0) << i << ": " << results[i];
  }
  EXPECT_THAT(Count(*database_), IsOkAndHolds(13));
}

TEST_F(DatabaseTest, AFailedStatementThatTheWorkIgnoresIsItsOwnMatter) {
  EXPECT_OK(database_->Write([](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(Insert(connection, 1));
    EXPECT_THAT(Insert(connection, 1), StatusIs(absl::StatusCode::kAlreadyExists));
    return Insert(connection, 2);
  }));
  EXPECT_THAT(Count(*database_), IsOkAndHolds(2));
}

// ON CONFLICT ROLLBACK stands for the errors (disk full) after which SQLite drops a transaction.
TEST_F(DatabaseTest, ALostTransactionIsAnErrorAndTheWriterGoesOn) {
  ASSERT_OK(database_->Write([](Connection& connection) { return Insert(connection, 1); }));
  absl::Status status = database_->Write([](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(Insert(connection, 2));
    ASSIGN_OR_RETURN(Statement insert,
                     connection.Prepare("INSERT OR ROLLBACK INTO tree_numbers (id) VALUES (1)"));
    insert.Run().IgnoreError();
    return absl::OkStatus();
  });
  EXPECT_FALSE(status.ok());
  EXPECT_OK(database_->Write([](Connection& connection) { return Insert(connection, 3); }));
  EXPECT_THAT(Count(*database_), IsOkAndHolds(2));
}

TEST_F(DatabaseTest, ForeignKeysAreEnforced) {
  absl::Status status = database_->Write([](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement insert,
                     connection.Prepare("INSERT INTO contents (digest, pack, offset, size) "
                                        "VALUES (?, 99, 0, 0)"));
    return insert.BindDigest(1, Digest::Of("x")).Run();
  });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(DatabaseTest, AReaderSeesCommittedRowsOnlyAndASteadyView) {
  ASSERT_OK(database_->Write([](Connection& connection) { return Insert(connection, 1); }));
  EXPECT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(Insert(connection, 2));
    EXPECT_THAT(Count(*database_), IsOkAndHolds(1));
    return absl::OkStatus();
  }));
  EXPECT_OK(database_->Read([&](Connection& connection) -> absl::Status {
    EXPECT_THAT(Count(connection), IsOkAndHolds(2));
    RETURN_IF_ERROR(database_->Write([](Connection& c) { return Insert(c, 3); }));
    EXPECT_THAT(Count(connection), IsOkAndHolds(2));
    return absl::OkStatus();
  }));
  EXPECT_THAT(Count(*database_), IsOkAndHolds(3));
}

TEST_F(DatabaseTest, AReaderCannotWriteAndReturnsItsError) {
  EXPECT_FALSE(database_->Read([](Connection& connection) { return Insert(connection, 1); }).ok());
  EXPECT_THAT(database_->Read([](Connection&) { return Cancelled("enough"); }),
              StatusIs(absl::StatusCode::kCancelled, "enough"));
  EXPECT_THAT(Count(*database_), IsOkAndHolds(0));
}

TEST_F(DatabaseTest, ReadersOfManyThreadsAndNestedOnes) {
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 24; ++i) {
      threads.emplace_back([&] {
        good += database_
                    ->Read([&](Connection&) {
                      return database_->Read(
                          [](Connection& connection) { return Count(connection).status(); });
                    })
                    .ok();
      });
    }
  }
  EXPECT_EQ(good, 24);
}

// The files that are open: SQLite opens them for each connection.
size_t OpenFiles() {
  return static_cast<size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                           std::filesystem::directory_iterator()));
}

TEST_F(DatabaseTest, AnIdleOneClosesReadersAndGoesOn) {
  database_.reset();
  ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(file_, std::chrono::milliseconds(20)));
  for (int64_t round = 0; round < 3; ++round) {
    ASSERT_OK(database_->Write([&](Connection& c) { return Insert(c, round); }));
    size_t most = 0;
    ASSERT_OK(database_->Read([&](Connection& outer) -> absl::Status {
      EXPECT_THAT(Count(outer), IsOkAndHolds(round + 1));
      EXPECT_THAT(Count(*database_), IsOkAndHolds(round + 1));
      most = OpenFiles();
      return absl::OkStatus();
    }));
    for (int waits = 0; waits < 10'000 && OpenFiles() >= most; ++waits) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_LT(OpenFiles(), most);
  }
}

TEST_F(DatabaseTest, ValuesOfEveryKindComeBack) {
  const Digest digest = Digest::Of("content");
  const std::string text("nul\0inside", 10);
  EXPECT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement echo, connection.Prepare("SELECT ?1, ?2, ?3, ?4, ?5"));
    echo.Bind(1, INT64_MIN).BindText(2, text).BindBlob(3, {}).BindDigest(4, digest).BindNull(5);
    ASSIGN_OR_RETURN(bool found, echo.Step());
    EXPECT_TRUE(found);
    EXPECT_EQ(echo.Int(0), INT64_MIN);
    EXPECT_EQ(echo.Text(1), text);
    EXPECT_FALSE(echo.IsNull(2));
    EXPECT_EQ(echo.Text(2), "");
    EXPECT_THAT(echo.DigestAt(3), IsOkAndHolds(digest));
    EXPECT_THAT(echo.DigestAt(1), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_TRUE(echo.IsNull(4));
    EXPECT_EQ(echo.Text(4), "");
    EXPECT_THAT(echo.Step(), IsOkAndHolds(false));
    return absl::OkStatus();
  }));
}

TEST_F(DatabaseTest, AStatementBeginsAgainAfterItsEndAndWhenBound) {
  EXPECT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    for (int64_t i = 1; i <= 3; ++i) {
      RETURN_IF_ERROR(Insert(connection, i));
    }
    ASSIGN_OR_RETURN(Statement above,
                     connection.Prepare("SELECT id FROM tree_numbers WHERE id > ? ORDER BY id"));
    EXPECT_THAT(above.Bind(1, 1).Step(), IsOkAndHolds(true));
    EXPECT_EQ(above.Int(0), 2);
    EXPECT_THAT(above.Bind(1, 2).Step(), IsOkAndHolds(true));
    EXPECT_EQ(above.Int(0), 3);
    EXPECT_THAT(above.Step(), IsOkAndHolds(false));
    EXPECT_THAT(above.Step(), IsOkAndHolds(true));
    EXPECT_EQ(above.Int(0), 3);
    return absl::OkStatus();
  }));
}

TEST_F(DatabaseTest, TheSameSqlMayRunInsideItself) {
  EXPECT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(Insert(connection, 1));
    RETURN_IF_ERROR(Insert(connection, 2));
    constexpr char kAll[] = "SELECT id FROM tree_numbers ORDER BY id";
    int pairs = 0;
    ASSIGN_OR_RETURN(Statement outer, connection.Prepare(kAll));
    while (*outer.Step()) {
      ASSIGN_OR_RETURN(Statement inner, connection.Prepare(kAll));
      while (*inner.Step()) {
        ++pairs;
      }
    }
    EXPECT_EQ(pairs, 4);
    return absl::OkStatus();
  }));
}

TEST_F(DatabaseTest, AStatementIsReturnedClean) {
  EXPECT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    constexpr char kEcho[] = "SELECT ?";
    {
      ASSIGN_OR_RETURN(Statement first, connection.Prepare(kEcho));
      EXPECT_THAT(first.Bind(1, 5).Step(), IsOkAndHolds(true));
      EXPECT_FALSE(first.Bind(2, 5).Step().ok());
    }
    ASSIGN_OR_RETURN(Statement second, connection.Prepare(kEcho));
    EXPECT_THAT(second.Step(), IsOkAndHolds(true));
    EXPECT_TRUE(second.IsNull(0));
    return absl::OkStatus();
  }));
}

TEST_F(DatabaseTest, WrongSqlIsInternal) {
  auto prepare = [&](const char* sql) {
    return database_->Read(
        [&](Connection& connection) { return connection.Prepare(sql).status(); });
  };
  EXPECT_THAT(prepare("SELEKT 1"), StatusIs(absl::StatusCode::kInternal, HasSubstr("SELEKT 1")));
  EXPECT_THAT(prepare("SELECT 1; SELECT 2"), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(prepare(""), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(DatabaseTest, ChangesAndLastRowAreTold) {
  EXPECT_OK(database_->Write([&](Connection& connection) -> absl::Status {
    RETURN_IF_ERROR(Insert(connection, 41));
    EXPECT_EQ(connection.last_insert_rowid(), 41);
    RETURN_IF_ERROR(Insert(connection, 42));
    ASSIGN_OR_RETURN(Statement remove, connection.Prepare("DELETE FROM tree_numbers"));
    RETURN_IF_ERROR(remove.Run());
    EXPECT_EQ(connection.changes(), 2);
    return absl::OkStatus();
  }));
}

TEST_F(DatabaseTest, ASchemaOfAnotherVersionIsRefused) {
  database_.reset();
  RunRaw("PRAGMA user_version = 999");
  EXPECT_THAT(OpenDatabase(file_), StatusIs(absl::StatusCode::kFailedPrecondition,
                                            AllOf(HasSubstr(file_), HasSubstr("newer zlayerd"))));
  RunRaw("PRAGMA user_version = 1");
  EXPECT_THAT(OpenDatabase(file_), StatusIs(absl::StatusCode::kFailedPrecondition,
                                            AllOf(HasSubstr(file_), HasSubstr("older zlayerd"))));
}

TEST_F(DatabaseTest, AnOlderSchemaIsBroughtUpToDate) {
  EXPECT_OK(database_->Write([](Connection& connection) { return Insert(connection, 7); }));
  database_.reset();
  RunRaw(
      "DROP TABLE fetched; DROP INDEX records_by_content_key;"
      "ALTER TABLE records DROP COLUMN content_key; ALTER TABLE records DROP COLUMN description;"
      "DROP TABLE index_manifests; DROP TABLE repository_manifests; DROP INDEX images_by_subject;"
      "ALTER TABLE images DROP COLUMN kind; ALTER TABLE images DROP COLUMN media_type;"
      "ALTER TABLE images DROP COLUMN subject; ALTER TABLE images DROP COLUMN source;"
      "DROP TABLE image_layers;"
      "CREATE TABLE image_layers (manifest BLOB NOT NULL REFERENCES images (manifest) ON DELETE "
      "CASCADE, position INTEGER NOT NULL, layer BLOB NOT NULL REFERENCES layers (id) ON DELETE "
      "RESTRICT, digest BLOB NOT NULL, size INTEGER NOT NULL, media_type TEXT NOT NULL, "
      "PRIMARY KEY (manifest, position)) WITHOUT ROWID;"
      "CREATE INDEX image_layers_by_layer ON image_layers (layer);"
      "CREATE INDEX image_layers_by_digest ON image_layers (digest);"
      "INSERT INTO layers (id, content_bytes, created, boot) VALUES (x'01', 0, 0, '');"
      "INSERT INTO images VALUES (x'02', x'03', 0, 5, '');"
      "INSERT INTO image_layers VALUES (x'02', 0, x'01', x'04', 5, 'tar');"
      "PRAGMA user_version = 2");
  Reopen();
  EXPECT_OK(database_->Read([](Connection& connection) -> absl::Status {
    EXPECT_THAT(Count(connection), IsOkAndHolds(1));
    EXPECT_THAT(Count(connection, "fetched"), IsOkAndHolds(0));
    EXPECT_THAT(Count(connection, "records WHERE content_key IS NULL"), IsOkAndHolds(0));
    EXPECT_THAT(Count(connection, "images WHERE kind = 0 AND source = ''"), IsOkAndHolds(1));
    EXPECT_THAT(Count(connection, "image_layers WHERE layer = x'01' AND digest = x'04'"),
                IsOkAndHolds(1));
    EXPECT_THAT(Count(connection, "pragma_index_list('image_layers')"), IsOkAndHolds(3));
    EXPECT_THAT(Count(connection, "pragma_user_version WHERE user_version = 6"), IsOkAndHolds(1));
    return absl::OkStatus();
  }));
}

TEST_F(DatabaseTest, AnotherProgramsDatabaseIsRefused) {
  database_.reset();
  file_ = directory_.path() + "/other.db";
  RunRaw("CREATE TABLE songs (title TEXT)");
  EXPECT_THAT(OpenDatabase(file_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another program")));
}

TEST_F(DatabaseTest, ADamagedHeadIsDataLoss) {
  database_.reset();
  ASSERT_OK_AND_ASSIGN(std::string content, ReadFile(file_));
  ASSERT_OK(WriteFileAtomically(file_, std::string(content.size(), 'x')));
  EXPECT_THAT(OpenDatabase(file_), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(file_)));
}

TEST_F(DatabaseTest, AMissingDirectoryIsAnError) {
  EXPECT_THAT(OpenDatabase(directory_.path() + "/none/meta.db").status().ToString(),
              HasSubstr("none/meta.db"));
}

TEST(BootIdTest, IsSteadyAndNotEmpty) {
  EXPECT_FALSE(BootId().empty());
  EXPECT_EQ(BootId().find('\n'), std::string::npos);
  EXPECT_EQ(&BootId(), &BootId());
}

}  // namespace
}  // namespace zlayer
