#include "daemon/queue/build_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/status_macros.h"
#include "daemon/queue/build_queue.h"
#include "registry/meta/database.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr int64_t kStart = 1'750'000'000'000'000'000;

// Every second look finds a later time, so that builds come in pairs of the same age.
class PairClock : public Clock {
 public:
  int64_t NowNs() const override { return kStart + looks_.fetch_add(1) / 2; }

 private:
  mutable std::atomic<int64_t> looks_{0};
};

class BuildListTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "list"));
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(directory_.path() + "/meta.db"));
    queue_ = OpenBuildQueue(database_.get(), &clock_);
  }

  std::string Submit(const std::vector<std::string>& tags, const std::string& name_space = "") {
    v1::SubmitBuildRequest request;
    request.set_namespace_(name_space);
    request.mutable_spec()->mutable_tags()->Add(tags.begin(), tags.end());
    return std::move(queue_->Submit(request)).value().id;
  }

  void End(const std::string& id) {
    v1::BuildEvent event;
    event.set_build_id(id);
    event.mutable_build_canceled();
    ASSERT_OK(queue_->Finish(event));
  }

  std::vector<std::string> Ids(const BuildListing& listing) {
    BuildPage page = std::move(queue_->List(listing)).value();
    std::vector<std::string> ids;
    for (const v1::BuildStatus& build : page.builds) {
      ids.push_back(build.id());
    }
    return ids;
  }

  std::vector<std::string> Ids(const BuildFilter& filter) {
    BuildListing listing;
    listing.filter = filter;
    return Ids(listing);
  }

  // All pages of `limit`, joined.
  std::vector<std::string> Walk(const BuildFilter& filter, uint32_t limit, size_t max_bytes) {
    BuildListing listing;
    listing.filter = filter;
    listing.limit = limit;
    listing.max_bytes = max_bytes;
    std::vector<std::string> ids;
    while (true) {
      BuildPage page = std::move(queue_->List(listing)).value();
      EXPECT_LE(page.builds.size(), limit);
      EXPECT_FALSE(page.builds.empty());
      for (const v1::BuildStatus& build : page.builds) {
        ids.push_back(build.id());
      }
      if (!page.last.has_value()) {
        return ids;
      }
      absl::StatusOr<BuildPosition> next = ParsePageToken(filter, PageToken(filter, *page.last));
      EXPECT_OK(next);
      listing.after = *next;
    }
  }

  PairClock clock_;
  ScopedDirectory directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BuildQueue> queue_;
};

TEST_F(BuildListTest, NewestFirst) {
  EXPECT_THAT(Ids(BuildFilter()), IsEmpty());
  const std::string a = Submit({"a"});
  Submit({"x"});
  const std::string b = Submit({"b"});
  EXPECT_EQ(Ids(BuildFilter()).front(), b);
  EXPECT_EQ(Ids(BuildFilter()).size(), 3u);
  BuildListing listing;
  v1::BuildStatus status = std::move(queue_->List(listing)).value().builds.front();
  EXPECT_EQ(status.title(), "b");
  EXPECT_THAT(status.tags(), ElementsAre("b"));
}

TEST_F(BuildListTest, PagesHaveEveryBuildOnce) {
  for (int i = 0; i < 23; ++i) {
    std::string id = Submit({"app:" + std::to_string(i)}, i % 3 == 0 ? "team" : "");
    if (i % 2 == 0) {
      End(id);
    }
  }
  BuildFilter all;
  const std::vector<std::string> expected = Ids(all);
  ASSERT_EQ(expected.size(), 23u);
  for (uint32_t limit : {1, 2, 5, 22, 23, 24}) {
    EXPECT_EQ(Walk(all, limit, 1 << 20), expected) << limit;
  }
  EXPECT_EQ(Walk(all, 10, 1), expected) << "a page has one build, however small it must be";
  EXPECT_EQ(Walk(all, 10, 200), expected);
  BuildFilter team;
  team.name_space = "team";
  EXPECT_EQ(Walk(team, 3, 1 << 20).size(), 8u);
}

TEST_F(BuildListTest, ABuildThatComesMeanwhileMovesNothing) {
  for (int i = 0; i < 4; ++i) {
    Submit({"a"});
  }
  BuildListing listing;
  const std::vector<std::string> all = Ids(listing);
  listing.limit = 2;
  BuildPage page = std::move(queue_->List(listing)).value();
  Submit({"b"});
  listing.after = page.last;
  EXPECT_THAT(Ids(listing), ElementsAre(all[2], all[3]));
}

TEST_F(BuildListTest, FiltersHoldTogether) {
  const std::string a = Submit({"app:1", "app:latest"});
  const std::string b = Submit({"app"}, "team");
  const std::string c = Submit({"docker.io/library/app:1"});
  const std::string d = Submit({});
  End(a);
  BuildFilter filter;
  filter.states = {v1::CANCELED};
  EXPECT_THAT(Ids(filter), ElementsAre(a));
  filter.states = {v1::RUNNING, v1::FAILED};
  EXPECT_THAT(Ids(filter), IsEmpty());
  filter.states = {v1::QUEUED, v1::CANCELED};
  EXPECT_EQ(Ids(filter).size(), 4u);
  filter.states = {};
  filter.tag = "docker.io/library/app:latest";
  EXPECT_THAT(Ids(filter), UnorderedElementsAre(b, a));
  filter.name_space = "team";
  EXPECT_THAT(Ids(filter), ElementsAre(b));
  filter.name_space = "";
  filter.tag = "docker.io/library/app:1";
  EXPECT_THAT(Ids(filter), ElementsAre(c, a));
  filter.states = {v1::QUEUED};
  EXPECT_THAT(Ids(filter), ElementsAre(c));
  ASSERT_OK(queue_->Delete(a));
  filter.states = {};
  EXPECT_THAT(Ids(filter), ElementsAre(c));
  filter.tag = "app:1";
  EXPECT_THAT(Ids(filter), IsEmpty()) << "tags are compared as they are, normalized";
}

TEST_F(BuildListTest, TimesAreAFromAndABefore) {
  const std::string a = Submit({});  // kStart, as b
  const std::string b = Submit({});
  const std::string c = Submit({});  // kStart + 1
  BuildFilter filter;
  filter.created_from = kStart + 1;
  EXPECT_THAT(Ids(filter), ElementsAre(c));
  filter.created_from = 0;
  filter.created_before = kStart + 1;
  EXPECT_EQ(Ids(filter).size(), 2u);
  filter.created_before = kStart;
  EXPECT_THAT(Ids(filter), IsEmpty());
}

TEST_F(BuildListTest, TokensAreOfTheirFilterAlone) {
  BuildFilter filter;
  filter.states = {v1::QUEUED, v1::FAILED};
  const std::string token = PageToken(filter, {kStart, "0abc"});
  ASSERT_OK_AND_ASSIGN(BuildPosition position, ParsePageToken(filter, token));
  EXPECT_EQ(position.created, kStart);
  EXPECT_EQ(position.id, "0abc");
  for (void (*change)(BuildFilter&) : std::vector<void (*)(BuildFilter&)>{
           [](BuildFilter& f) { f.name_space = "team"; }, [](BuildFilter& f) { f.states = {}; },
           [](BuildFilter& f) { f.tag = "a"; }, [](BuildFilter& f) { f.created_from = 1; },
           [](BuildFilter& f) { f.created_before = 1; }}) {
    BuildFilter other = filter;
    change(other);
    EXPECT_THAT(ParsePageToken(other, token),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("other filters")));
  }
  for (const std::string& garbage :
       {std::string("x"), std::string(40, 'z'), token.substr(0, 32), token + "/../x",
        "-" + token.substr(1), "F" + token.substr(1), std::string(16, 'f') + token.substr(16),
        token + std::string(64, 'a'), token + std::string("\0", 1)}) {
    EXPECT_THAT(ParsePageToken(filter, garbage), StatusIs(absl::StatusCode::kInvalidArgument))
        << garbage;
  }
}

// What SQLite would do for the query.
std::vector<std::string> Steps(Database& database, const BuildFilter& filter) {
  std::vector<std::string> steps;
  EXPECT_OK(database.Read([&](Connection& db) -> absl::Status {
    ASSIGN_OR_RETURN(Statement explain, db.Prepare("EXPLAIN QUERY PLAN " + ListSql(filter)));
    while (true) {
      ASSIGN_OR_RETURN(bool more, explain.Step());
      if (!more) {
        return absl::OkStatus();
      }
      steps.emplace_back(explain.Text(3));
    }
  }));
  return steps;
}

TEST_F(BuildListTest, NoPageScansOrSorts) {
  BuildFilter plain;
  BuildFilter name_space;
  name_space.name_space = "team";
  BuildFilter states;
  states.states = {v1::RUNNING, v1::QUEUED};
  BuildFilter tag;
  tag.tag = "docker.io/library/app:latest";
  for (const BuildFilter& filter : {plain, name_space, states, tag}) {
    EXPECT_THAT(Steps(*database_, filter), AllOf(Not(IsEmpty()), Each(Not(HasSubstr("SCAN"))),
                                                 Each(Not(HasSubstr("TEMP B-TREE")))));
  }
}

}  // namespace
}  // namespace zlayer
