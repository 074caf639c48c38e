#include "daemon/service/context_upload.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/tar_writer.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Replies = std::vector<v1::UploadContextResponse>;

v1::ContextEntry Directory(const std::string& path) {
  v1::ContextEntry entry;
  entry.set_path(path);
  entry.set_type(v1::ContextEntry::DIRECTORY);
  entry.set_mode(0755);
  return entry;
}

v1::ContextEntry File(const std::string& path, const std::string& content, bool digested = false) {
  v1::ContextEntry entry;
  entry.set_path(path);
  entry.set_mode(0640);
  entry.set_mtime_ns(1'700'000'000'000'000'001);
  entry.set_size(content.size());
  if (digested) {
    entry.set_sha256(std::string(Digest::Of(content).Bytes()));
  }
  return entry;
}

class ContextUploadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "upload"));
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(directory_.path() + "/root", SystemClock()));
    options_.store = store_.get();
    options_.plan = [this](const std::string& name_space, const v1::BuildSpec&,
                           std::stop_token) -> absl::StatusOr<std::shared_ptr<const v1::Graph>> {
      planned_in_ = name_space;
      return graph_;
    };
    Begin();
  }

  void Begin() {
    replies_.clear();
    upload_ = MakeContextUpload(options_);
  }

  absl::Status Start(bool tar = false, const v1::BuildSpec* spec = nullptr) {
    v1::UploadContextRequest request;
    request.mutable_start()->set_namespace_("team");
    request.mutable_start()->set_tar(tar);
    if (spec != nullptr) {
      *request.mutable_start()->mutable_spec() = *spec;
    }
    return upload_->Receive(request, &replies_, {});
  }

  absl::Status Entries(const std::vector<v1::ContextEntry>& entries, bool last = true) {
    v1::UploadContextRequest request;
    for (const v1::ContextEntry& entry : entries) {
      *request.mutable_entries()->add_entries() = entry;
    }
    request.mutable_entries()->set_last(last);
    return upload_->Receive(request, &replies_, {});
  }

  absl::Status Content(uint64_t entry, const std::string& data, bool last = true,
                       const std::string& error = "") {
    v1::UploadContextRequest request;
    request.mutable_content()->set_entry(entry);
    request.mutable_content()->set_data(data);
    request.mutable_content()->set_last(last);
    request.mutable_content()->set_error(error);
    return upload_->Receive(request, &replies_, {});
  }

  absl::Status Contents(uint64_t first, uint64_t count, const std::string& data) {
    v1::UploadContextRequest request;
    request.mutable_contents()->set_first(first);
    request.mutable_contents()->set_count(count);
    request.mutable_contents()->set_data(data);
    return upload_->Receive(request, &replies_, {});
  }

  absl::Status Tar(const std::string& data) {
    v1::UploadContextRequest request;
    request.mutable_tar()->set_data(data);
    return upload_->Receive(request, &replies_, {});
  }

  std::vector<uint64_t> Wanted() const {
    std::vector<uint64_t> wanted;
    for (const v1::UploadContextResponse& reply : replies_) {
      wanted.insert(wanted.end(), reply.wanted().entries().begin(), reply.wanted().entries().end());
    }
    return wanted;
  }

  v1::ContextReady Ready() const {
    return replies_.empty() ? v1::ContextReady() : replies_.back().ready();
  }

  absl::StatusOr<LayerRef> Layer() {
    ASSIGN_OR_RETURN(StoredContext context, store_->contexts().Get("team", Ready().context_id()));
    return store_->layers().Get(context.layer);
  }

  // What the context that was uploaded holds: paths, and contents of files.
  std::map<std::string, std::string> Stored() {
    std::map<std::string, std::string> stored;
    absl::StatusOr<LayerRef> layer = Layer();
    EXPECT_OK(layer);
    for (size_t i = 0; layer.ok() && i < (*layer)->size(); ++i) {
      Entry entry = (*layer)->At(i);
      EXPECT_EQ(entry.uid + entry.gid, 0u);
      stored[entry.path] = entry.link_target;
      if (entry.type == EntryType::kFile) {
        absl::StatusOr<ContentFile> file = store_->layers().OpenContent(**layer, entry);
        EXPECT_OK(file);
        EXPECT_OK(ReadContent(*file, entry.content, [&](std::string_view data) {
          stored[entry.path] += data;
          return absl::OkStatus();
        }));
      }
    }
    return stored;
  }

  // Names of files left in the store's scratch and pack directories.
  std::vector<std::string> Leftovers() const {
    std::vector<std::string> names;
    for (const std::string& directory : {store_->tmp(), store_->root() + "/packs"}) {
      for (const auto& file : std::filesystem::directory_iterator(directory)) {
        names.push_back(file.path().filename());
      }
    }
    return names;
  }

  ScopedDirectory directory_;
  std::unique_ptr<Store> store_;
  ContextUploadOptions options_;
  std::shared_ptr<const v1::Graph> graph_;
  std::string planned_in_;
  std::unique_ptr<ContextUpload> upload_;
  Replies replies_;
};

using Files = std::map<std::string, std::string>;

TEST_F(ContextUploadTest, WantsFilesWhoseDigestIsNotKnown) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "one"), Directory("d")}, false));
  ASSERT_OK(Entries({File("d/b", "two"), File("empty", "")}));
  EXPECT_THAT(Wanted(), ElementsAre(0, 2, 3));
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_TRUE(replies_[0].wanted().last());
  ASSERT_OK(Content(0, "o", false));
  ASSERT_OK(Content(0, "ne"));
  ASSERT_OK(Content(2, "two"));
  EXPECT_FALSE(upload_->Done());
  ASSERT_OK(Content(3, ""));
  ASSERT_TRUE(upload_->Done());
  EXPECT_EQ(Ready().files_selected(), 3u);
  EXPECT_EQ(Ready().bytes_selected(), 6u);
  EXPECT_EQ(Ready().bytes_received(), 6u);
  EXPECT_EQ(Stored(), (Files{{"a", "one"}, {"d", ""}, {"d/b", "two"}, {"empty", ""}}));
}

TEST_F(ContextUploadTest, TakesSeveralFilesInOneMessage) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "one"), Directory("d"), File("d/b", "two"), File("empty", ""),
                     File("z", "large")}));
  ASSERT_OK(Contents(0, 2, "onetwo"));
  ASSERT_OK(Contents(3, 1, ""));
  ASSERT_OK(Content(4, "la", false));
  ASSERT_OK(Content(4, "rge"));
  ASSERT_TRUE(upload_->Done());
  EXPECT_EQ(Ready().bytes_received(), 11u);
  EXPECT_EQ(Stored(),
            (Files{{"a", "one"}, {"d", ""}, {"d/b", "two"}, {"empty", ""}, {"z", "large"}}));
}

TEST_F(ContextUploadTest, RefusesFilesTogetherThatDoNotFit) {
  const auto refusal = [this](uint64_t first, uint64_t count, const std::string& data) {
    Begin();
    EXPECT_OK(Start());
    EXPECT_OK(Entries({File("a", "one"), File("b", "two", true)}));
    return Contents(first, count, data);
  };
  EXPECT_THAT(Message(refusal(1, 1, "two")), HasSubstr("where that of entry 0 (a) was due"));
  EXPECT_THAT(Message(refusal(0, 3, "onetwo")), HasSubstr("3 contents were sent where 2 were due"));
  EXPECT_THAT(Message(refusal(0, 2, "onetw")), HasSubstr("b: the file shrank"));
  EXPECT_THAT(Message(refusal(0, 2, "onetwo3")), HasSubstr("1 bytes too many"));
  EXPECT_THAT(Message(refusal(0, 2, "onetow")), HasSubstr("not what the client digested"));
  Begin();
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "one")}));
  ASSERT_OK(Content(0, "o", false));
  EXPECT_THAT(Message(Contents(0, 1, "ne")), HasSubstr("out of place"));
}

TEST_F(ContextUploadTest, WantsNothingThatTheStoreHas) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "one"), File("b", "two")}));
  ASSERT_OK(Content(0, "one"));
  ASSERT_OK(Content(1, "two"));
  const std::string first = Ready().context_id();
  Begin();
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "one", true), File("b", "new", true), File("c", "two", true)}));
  EXPECT_THAT(Wanted(), ElementsAre(1));
  ASSERT_OK(Content(1, "new"));
  ASSERT_TRUE(upload_->Done());
  EXPECT_NE(Ready().context_id(), first);
  EXPECT_EQ(Ready().bytes_received(), 3u);
  EXPECT_EQ(Ready().bytes_selected(), 9u);
  EXPECT_EQ(Stored(), (Files{{"a", "one"}, {"b", "new"}, {"c", "two"}}));
}

TEST_F(ContextUploadTest, AnUnchangedContextIsTheLayerThatItWas) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({Directory("d"), File("d/a", "one"), File("e", "two")}));
  ASSERT_OK(Contents(1, 2, "onetwo"));
  ASSERT_OK_AND_ASSIGN(const LayerRef first, Layer());
  Begin();
  ASSERT_OK(Start());
  ASSERT_OK(Entries({Directory("d"), File("d/a", "one", true), File("e", "two", true)}));
  ASSERT_TRUE(upload_->Done());
  EXPECT_THAT(Wanted(), IsEmpty());
  EXPECT_EQ(Ready().files_selected(), 2u);
  EXPECT_EQ(Ready().bytes_selected(), 6u);
  ASSERT_OK_AND_ASSIGN(const LayerRef again, Layer());
  EXPECT_EQ(again->id(), first->id());
}

TEST_F(ContextUploadTest, AnEmptyContextIsReadyAtOnce) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({}));
  ASSERT_TRUE(upload_->Done());
  ASSERT_EQ(replies_.size(), 2u);
  EXPECT_TRUE(replies_[0].wanted().last());
  EXPECT_EQ(Stored(), Files{});
}

TEST_F(ContextUploadTest, KeepsMetadataAndLinks) {
  ASSERT_OK(Start());
  v1::ContextEntry link;
  link.set_path("b");
  link.set_type(v1::ContextEntry::SYMLINK);
  link.set_mode(0777);
  link.set_link_target("a");
  v1::ContextEntry file = File("a", "x");
  file.set_mode(04755);
  file.add_xattrs()->set_name("user.k");
  file.mutable_xattrs(0)->set_value("v");
  ASSERT_OK(Entries({file, link}));
  ASSERT_OK(Content(0, "x"));
  ASSERT_OK_AND_ASSIGN(LayerRef layer, Layer());
  ASSERT_EQ(layer->size(), 2u);
  EXPECT_EQ(layer->At(0).mode, 04755u);
  EXPECT_EQ(layer->At(0).mtime_ns, 1'700'000'000'000'000'001);
  EXPECT_EQ(layer->At(0).xattrs.at("user.k"), "v");
  EXPECT_EQ(layer->At(1).link_target, "a");
}

TEST_F(ContextUploadTest, HardLinksTravelOnce) {
  v1::ContextEntry a = File("a", "same");
  v1::ContextEntry b = File("b", "same");
  a.set_hard_link_group(7);
  b.set_hard_link_group(7);
  ASSERT_OK(Start());
  ASSERT_OK(Entries({a, b}));
  EXPECT_THAT(Wanted(), ElementsAre(0));
  ASSERT_OK(Content(0, "same"));
  ASSERT_OK_AND_ASSIGN(LayerRef layer, Layer());
  EXPECT_EQ(layer->At(1).hard_link, "a");
  EXPECT_EQ(Stored(), (Files{{"a", "same"}, {"b", "same"}}));
}

// COPY src /, from the build context.
v1::Graph CopyGraph(const std::string& source) {
  v1::Graph graph;
  v1::Stage* stage = graph.add_stages();
  stage->add_operations()->mutable_scratch();
  v1::Copy* copy = stage->add_operations()->mutable_copy();
  copy->add_sources()->set_path(source);
  copy->mutable_sources(0)->mutable_from()->set_context("");
  copy->set_destination("/");
  graph.add_targets(0);
  return graph;
}

TEST_F(ContextUploadTest, OnlyWhatTheGraphSelectsTravels) {
  graph_ = std::make_shared<const v1::Graph>(CopyGraph("src/*.c"));
  v1::BuildSpec spec;
  *spec.mutable_graph() = *graph_;
  ASSERT_OK(Start(false, &spec));
  v1::ContextEntry ignored = File("big", "ignored");
  v1::ContextEntry linked = File("src/a.c", "a");
  ignored.set_hard_link_group(1);
  linked.set_hard_link_group(1);
  ASSERT_OK(Entries({ignored, Directory("src"), linked, File("src/b.h", "b"), File("z", "z")}));
  EXPECT_EQ(planned_in_, "team");
  EXPECT_THAT(Wanted(), ElementsAre(2));
  ASSERT_OK(Content(2, "a"));
  EXPECT_EQ(Ready().files_selected(), 1u);
  EXPECT_EQ(Stored(), (Files{{"src", ""}, {"src/a.c", "a"}}));
}

TEST_F(ContextUploadTest, WithoutAnAnswerOfThePlanAllIsSelected) {
  v1::BuildSpec spec;
  spec.set_dockerfile("Dockerfile");
  ASSERT_OK(Start(false, &spec));
  ASSERT_OK(Entries({File("a", "one"), File("b", "two")}));
  EXPECT_THAT(Wanted(), ElementsAre(0, 1));
}

TEST_F(ContextUploadTest, AnErrorOfThePlanEndsTheUpload) {
  options_.plan = [](const std::string&, const v1::BuildSpec&,
                     std::stop_token) -> absl::StatusOr<std::shared_ptr<const v1::Graph>> {
    return NotFound("no base");
  };
  Begin();
  v1::BuildSpec spec;
  spec.mutable_dockerfile_inline()->set_content("FROM nothing-here");
  ASSERT_OK(Start(false, &spec));
  EXPECT_THAT(Entries({File("a", "one")}), StatusIs(absl::StatusCode::kNotFound, "no base"));
}

TEST_F(ContextUploadTest, ASpecIsCheckedAtOnce) {
  v1::BuildSpec spec;
  spec.add_cache_to("registry");
  EXPECT_THAT(Start(false, &spec),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("cache_to")));
}

class ChangedFileTest : public ContextUploadTest {
 protected:
  void SetUp() override {
    ContextUploadTest::SetUp();
    ASSERT_OK(Start());
    ASSERT_OK(Entries({File("d", "12345", true), File("e", "x")}));
  }

  void ExpectFailure(const absl::Status& status, const std::string& message) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("d: ")));
    EXPECT_THAT(std::string(Message(status)), HasSubstr(message));
    EXPECT_EQ(DetailOf(status).reason(), "CONTEXT_FILE");
    EXPECT_EQ(DetailOf(status).subject(), "d");
    upload_.reset();
    EXPECT_THAT(Leftovers(), IsEmpty());
  }
};

TEST_F(ChangedFileTest, OtherContent) { ExpectFailure(Content(0, "54321"), "changed"); }
TEST_F(ChangedFileTest, Longer) { ExpectFailure(Content(0, "123456", false), "grew"); }
TEST_F(ChangedFileTest, Shorter) { ExpectFailure(Content(0, "1234"), "shrank"); }
TEST_F(ChangedFileTest, Unreadable) {
  ExpectFailure(Content(0, "", true, "permission denied"), "permission denied");
}

TEST_F(ContextUploadTest, ContentsComeInTheOrderAsked) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "1"), File("b", "2")}));
  EXPECT_THAT(Content(1, "2"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("entry 0")));
}

TEST_F(ContextUploadTest, ADigestMustBelongToTheSize) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "one")}));
  ASSERT_OK(Content(0, "one"));
  Begin();
  ASSERT_OK(Start());
  v1::ContextEntry lie = File("a", "one", true);
  lie.set_size(1000);
  EXPECT_THAT(Entries({lie}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a: ")));
}

struct HostileCase {
  std::string name;
  std::vector<v1::ContextEntry> entries;
};

void PrintTo(const HostileCase& test, std::ostream* out) { *out << test.name; }

class HostileEntries : public ContextUploadTest,
                       public ::testing::WithParamInterface<HostileCase> {};

TEST_P(HostileEntries, AreRefused) {
  ASSERT_OK(Start());
  EXPECT_THAT(Entries(GetParam().entries), StatusIs(absl::StatusCode::kInvalidArgument));
}

v1::ContextEntry Edited(v1::ContextEntry entry,
                        const std::function<void(v1::ContextEntry&)>& edit) {
  edit(entry);
  return entry;
}

INSTANTIATE_TEST_SUITE_P(
    Cases, HostileEntries,
    ::testing::Values(
        HostileCase{"empty", {Directory("")}}, HostileCase{"absolute", {File("/etc", "")}},
        HostileCase{"dots", {Directory("a"), File("a/../b", "")}},
        HostileCase{"parent", {File("..", "")}}, HostileCase{"final_slash", {Directory("a/")}},
        HostileCase{"zero_byte", {File(std::string("a\0b", 3), "")}},
        HostileCase{"whiteout", {File(".wh.a", "")}},
        HostileCase{"long_name", {File(std::string(300, 'a'), "")}},
        HostileCase{"twice", {File("a", ""), File("a", "")}},
        HostileCase{"unsorted", {File("b", ""), File("a", "")}},
        HostileCase{"slash_is_lowest", {Directory("a"), File("a-b", ""), File("a/b", "")}},
        HostileCase{"no_parent", {File("a/b", "")}},
        HostileCase{"file_as_parent", {File("a", ""), File("a/b", "")}},
        HostileCase{"grandparent_only", {Directory("a"), File("a/b/c", "")}},
        HostileCase{"type",
                    {Edited(File("a", ""),
                            [](v1::ContextEntry& e) {
                              e.set_type(static_cast<v1::ContextEntry::Type>(17));
                            })}},
        HostileCase{"mode",
                    {Edited(File("a", ""), [](v1::ContextEntry& e) { e.set_mode(0100644); })}},
        HostileCase{"digest",
                    {Edited(File("a", ""), [](v1::ContextEntry& e) { e.set_sha256("abc"); })}}),
    [](const auto& info) { return info.param.name; });

TEST_F(ContextUploadTest, APathThatLeadsOutOfTheContextIsNamed) {
  for (const std::string path : {"..", "../etc/passwd", "a/../../b", "a/.."}) {
    Begin();
    ASSERT_OK(Start());
    const absl::Status refused = Entries({Directory("a"), File(path, "x")});
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
    EXPECT_EQ(DetailOf(refused).reason(), "PATH_ESCAPE");
    EXPECT_EQ(DetailOf(refused).subject(), path);
    upload_.reset();
    EXPECT_THAT(Leftovers(), IsEmpty());
  }
}

TEST_F(ContextUploadTest, EntriesAreLimited) {
  options_.limits.entries = 2;
  Begin();
  ASSERT_OK(Start());
  EXPECT_OK(Entries({File("a", ""), File("b", "")}, false));
  const absl::Status refused = Entries({File("c", "")}, false);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("2 entries")));
  EXPECT_EQ(DetailOf(refused).reason(), "CONTEXT_TOO_LARGE");
  upload_.reset();
  EXPECT_THAT(Leftovers(), IsEmpty());
}

TEST_F(ContextUploadTest, EachPartOfAnEntryIsLimited) {
  using Edit = std::function<void(v1::ContextEntry&)>;
  const std::vector<std::pair<std::string, Edit>> cases = {
      {"path", [](v1::ContextEntry& e) { e.set_path(std::string(4097, 'p')); }},
      {"link_target", [](v1::ContextEntry& e) { e.set_link_target(std::string(4097, 'l')); }},
      {"xattrs",
       [](v1::ContextEntry& e) {
         for (int i = 0; i < 101; ++i) {
           e.add_xattrs()->set_name("user." + std::to_string(i));
         }
       }},
      {"xattr", [](v1::ContextEntry& e) { e.add_xattrs()->set_name(std::string(256, 'n')); }},
      {"xattr", [](v1::ContextEntry& e) { e.add_xattrs()->set_value(std::string(65'537, 'v')); }},
  };
  for (const auto& [field, edit] : cases) {
    Begin();
    ASSERT_OK(Start());
    v1::ContextEntry entry = File("a", "");
    edit(entry);
    EXPECT_THAT(Entries({entry}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field)));
  }
}

// Sizes are what the client says; nothing was sent yet.
TEST_F(ContextUploadTest, FilesTogetherAreLimited) {
  options_.max_bytes = 1000;
  for (uint64_t size : {uint64_t{400}, uint64_t{1} << 62}) {
    Begin();
    ASSERT_OK(Start());
    // Four of the larger size are 0 in 64 bits.
    std::vector<v1::ContextEntry> files;
    for (const char* name : {"a", "b", "c", "d"}) {
      files.push_back(File(name, ""));
      files.back().set_size(size);
    }
    const absl::Status refused = Entries(files);
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_EQ(DetailOf(refused).reason(), "CONTEXT_TOO_LARGE");
  }
}

TEST_F(ContextUploadTest, NamesAreLimited) {
  options_.limits.metadata_bytes = 100;
  Begin();
  ASSERT_OK(Start());
  v1::ContextEntry entry = File("a", "");
  entry.add_xattrs()->set_value(std::string(200, 'v'));
  const absl::Status refused = Entries({entry}, false);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(DetailOf(refused).reason(), "CONTEXT_TOO_LARGE");
}

TEST_F(ContextUploadTest, MessagesOutOfPlaceAreRefused) {
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("out of place"));
  EXPECT_THAT(Entries({}), refused);
  EXPECT_THAT(Tar("x"), refused);
  EXPECT_THAT(Content(0, ""), refused);
  ASSERT_OK(Start());
  EXPECT_THAT(Start(), refused);
  EXPECT_THAT(Tar("x"), refused);
  EXPECT_THAT(Content(0, ""), refused);
  v1::UploadContextRequest nothing;
  EXPECT_THAT(upload_->Receive(nothing, &replies_, {}), refused);
  Begin();
  ASSERT_OK(Start(true));
  EXPECT_THAT(Entries({}), refused);
}

TEST_F(ContextUploadTest, AnEarlyEndIsAnError) {
  EXPECT_THAT(upload_->End(&replies_, {}), StatusIs(absl::StatusCode::kInvalidArgument));
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "one")}));
  EXPECT_THAT(upload_->End(&replies_, {}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(ContextUploadTest, AnUploadThatBreaksLeavesNothing) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({File("a", "one"), File("b", "two")}));
  ASSERT_OK(Content(0, "one"));
  ASSERT_OK(Content(1, "t", false));
  upload_.reset();
  EXPECT_THAT(Leftovers(), IsEmpty());
  EXPECT_THAT(store_->contents().Open(Digest::Of("one")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ContextUploadTest, AContextBelongsToItsNamespace) {
  ASSERT_OK(Start());
  ASSERT_OK(Entries({}));
  EXPECT_OK(store_->contexts().Get("team", Ready().context_id()));
  EXPECT_THAT(store_->contexts().Get("other", Ready().context_id()),
              StatusIs(absl::StatusCode::kNotFound));
}

std::string MakeTar(const Files& files) {
  std::string tar;
  TarWriter writer([&](std::string_view data) {
    tar += data;
    return absl::OkStatus();
  });
  for (const auto& [path, content] : files) {
    TarHeader header;
    header.path = path;
    header.size = content.size();
    EXPECT_OK(writer.Entry(header));
    EXPECT_OK(writer.Data(content));
  }
  EXPECT_OK(writer.Finish());
  return tar;
}

TEST_F(ContextUploadTest, ATarComesInPieces) {
  const std::string tar = MakeTar({{"Dockerfile", "FROM scratch"}, {"d/file", "text"}});
  ASSERT_OK(Start(true));
  ASSERT_OK(Tar(tar.substr(0, 700)));
  ASSERT_OK(Tar(tar.substr(700)));
  ASSERT_OK(upload_->End(&replies_, {}));
  ASSERT_TRUE(upload_->Done());
  EXPECT_EQ(Stored(), (Files{{"Dockerfile", "FROM scratch"}, {"d", ""}, {"d/file", "text"}}));
  ASSERT_OK_AND_ASSIGN(StoredContext context, store_->contexts().Get("team", Ready().context_id()));
  EXPECT_TRUE(context.from_tar);
}

TEST_F(ContextUploadTest, WhatIsNoTarIsRefused) {
  ASSERT_OK(Start(true));
  ASSERT_OK(Tar(std::string(2000, 'x')));
  EXPECT_THAT(upload_->End(&replies_, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the build context: ")));
  upload_.reset();
  EXPECT_THAT(Leftovers(), IsEmpty());
}

TEST_F(ContextUploadTest, ATarIsLimited) {
  options_.max_bytes = 1000;
  Begin();
  ASSERT_OK(Start(true));
  ASSERT_OK(Tar(std::string(1000, 'x')));
  const absl::Status refused = Tar("x");
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(DetailOf(refused).reason(), "CONTEXT_TOO_LARGE");
}

}  // namespace
}  // namespace zlayer
