#include "registry/gc/cache_entries.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "registry/gc/testing/gc_fixture.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CacheEntriesTest : public GcFixture {
 protected:
  void Mount(const std::string& id) {
    ASSERT_OK(store_->cache_mounts().Take(
        {.name_space = "default",
         .fill = [](size_t, const std::string&) { return absl::OkStatus(); }},
        {{.id = id}}, {}));
  }
  void Fetched(const std::string& source) {
    ASSERT_OK(store_->fetched().Put("default", Digest::Of(source), {.layer = Layer(source)}));
  }

  CachePage Page(const CacheFilter& filter, const std::optional<CachePosition>& after,
                 size_t limit) {
    absl::StatusOr<CachePage> page = ListCacheRows(*store_, filter, after, limit, clock_.NowNs());
    EXPECT_OK(page);
    return page.ok() ? *page : CachePage();
  }

  // What people see of the entries on this page and the following ones.
  std::vector<std::string> List(size_t limit, std::optional<CachePosition> after = {},
                                const CacheFilter& filter = {}) {
    std::vector<std::string> seen;
    do {
      const CachePage page = Page(filter, after, limit);
      EXPECT_LE(page.rows.size(), limit);
      for (const CacheRow& row : page.rows) {
        seen.push_back(row.type == CacheType::kRecord ? row.description : row.id);
      }
      after = page.next;
    } while (after.has_value());
    return seen;
  }

  void Sql(const std::string& statement) {
    ASSERT_OK(store_->database().Write([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(Statement change, connection.Prepare(statement));
      return change.Run();
    }));
  }
};

TEST_F(CacheEntriesTest, ListsThePagesInTheOrderOfUse) {
  for (int i = 0; i < 5; ++i) {
    Record(fmt::format("step{}", i), Layer(fmt::format("{}", i)));
  }
  ASSERT_OK(store_->cache_mounts().Take(
      {.name_space = "default",
       .fill = [](size_t, const std::string&) { return absl::OkStatus(); }},
      {{.id = "mount"}}, {}));
  store_->records().Touch(Digest::Of("step0"));
  ASSERT_OK(store_->records().FlushUses());
  std::vector<std::string> seen;
  std::optional<CachePosition> after;
  do {
    ASSERT_OK_AND_ASSIGN(const CachePage page,
                         ListCacheRows(*store_, {}, after, 2, clock_.NowNs()));
    for (const CacheRow& row : page.rows) {
      seen.push_back(row.description.empty() ? row.id : row.description);
    }
    after = page.next;
  } while (after.has_value());
  EXPECT_THAT(
      seen, ElementsAre("RUN step1", "RUN step2", "RUN step3", "RUN step4", "mount", "RUN step0"));
  ASSERT_OK_AND_ASSIGN(const CachePage some,
                       ListCacheRows(*store_, {.words = {"step3"}}, {}, 10, clock_.NowNs()));
  ASSERT_EQ(some.rows.size(), 1);
  EXPECT_FALSE(some.next.has_value());
}

TEST_F(CacheEntriesTest, WhatWasUsedAtOneTimeIsOnOnePageOnly) {
  clock_.step = 0;
  for (const char* name : {"a", "b", "c"}) {
    Record(name, Layer(name));
    Mount(name);
    Fetched(name);
  }
  const std::vector<std::string> all = List(100);
  EXPECT_THAT(all, SizeIs(9));
  for (size_t limit = 1; limit < 9; ++limit) {
    EXPECT_EQ(List(limit), all) << limit;
  }
}

TEST_F(CacheEntriesTest, WhatComesAndGoesBetweenPagesHidesNothingElse) {
  for (int i = 0; i < 6; ++i) {
    Record(fmt::format("step{}", i), Layer(fmt::format("{}", i)));
  }
  const CachePage first = Page({}, {}, 2);
  ASSERT_EQ(first.rows.size(), 2);
  ASSERT_TRUE(first.next.has_value());
  // The one that the next page begins behind, and one on it.
  Sql("DELETE FROM records WHERE description IN ('RUN step1', 'RUN step3')");
  // What is used goes to the end, whether it was listed or not.
  store_->records().Touch(Digest::Of("step0"));
  store_->records().Touch(Digest::Of("step2"));
  ASSERT_OK(store_->records().FlushUses());
  Record("late", Layer("late"));
  Record("early", Layer("early"));
  Sql("UPDATE records SET used = 1 WHERE description = 'RUN early'");
  EXPECT_THAT(List(2, first.next),
              ElementsAre("RUN step4", "RUN step5", "RUN step0", "RUN step2", "RUN late"));
}

TEST_F(CacheEntriesTest, AFilterHoldsForAllPages) {
  for (int i = 0; i < 5; ++i) {
    Record(fmt::format("make{}", i), Layer(fmt::format("m{}", i)));
    Record(fmt::format("test{}", i), Layer(fmt::format("t{}", i)));
    Mount(fmt::format("mount{}", i));
  }
  EXPECT_THAT(List(2, {}, {.words = {"RUN", "make"}}),
              ElementsAre("RUN make0", "RUN make1", "RUN make2", "RUN make3", "RUN make4"));
  EXPECT_THAT(List(2, {}, {.types = {CacheType::kCacheMount}}),
              ElementsAre("mount0", "mount1", "mount2", "mount3", "mount4"));
  EXPECT_THAT(List(2, {}, {.name_space = "other"}), IsEmpty());
}

// So that one call costs a bounded time whatever it asks for.
TEST_F(CacheEntriesTest, APageOfWhatIsRareMayBeEmptyAndIsNotTheLast) {
  Record("many", Layer("many"));
  Sql("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 25000) "
      "INSERT INTO records (key, namespace, layer, chain, build, created, used, description) "
      "SELECT randomblob(32), 'default', layer, '', 'b', 1, i, 'RUN many' FROM n, records");
  Record("rare", Layer("rare"));
  const CacheFilter rare{.words = {"rare"}};
  const CachePage first = Page(rare, {}, 10);
  EXPECT_THAT(first.rows, IsEmpty());
  ASSERT_TRUE(first.next.has_value());
  const CachePage second = Page(rare, first.next, 10);
  EXPECT_THAT(second.rows, SizeIs(1));
  EXPECT_FALSE(second.next.has_value());
}

}  // namespace
}  // namespace zlayer
