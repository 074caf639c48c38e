#include "registry/layer/layer_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "base/files.h"
#include "registry/blob/blob_store.h"
#include "registry/layer/ensure_trees.h"
#include "registry/layer/layer_tar.h"
#include "registry/layer/testing/entries.h"
#include "registry/layer/testing/odd_tree.h"
#include "registry/meta/boot.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

class LayerStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(root_, ScopedDirectory::Make("/tmp", "layer-store-test-"));
    if (!CanMakeTrees(root_.path())) {
      GTEST_SKIP() << "needs root";
    }
    ASSERT_OK(MakeDirectories(root_.path() + "/packs"));
    ASSERT_OK(MakeDirectories(root_.path() + "/blobs"));
    Reopen();
  }

  void Reopen() {
    layers_.reset();
    contents_.reset();
    blobs_.reset();
    database_.reset();
    ASSERT_OK_AND_ASSIGN(database_, OpenDatabase(root_.path() + "/meta.db"));
    ASSERT_OK_AND_ASSIGN(blobs_, OpenDiskBlobStore(root_.path() + "/blobs"));
    ASSERT_OK_AND_ASSIGN(contents_,
                         OpenPackContentStore(root_.path(), database_.get(), blobs_.get(), &uses_));
    ASSERT_OK_AND_ASSIGN(layers_, OpenDiskLayerStore(root_.path(), database_.get(), contents_.get(),
                                                     SystemClock(), &uses_));
  }

  void Store(std::string_view content) {
    ASSERT_OK_AND_ASSIGN(std::unique_ptr<PackWriter> pack, contents_->NewPack());
    ASSERT_OK(pack->Append(content));
    ASSERT_OK(pack->End());
    ASSERT_OK(pack->Commit());
  }

  // A tree as a RUN leaves it, with one file.
  std::string RunTree(const std::string& content) {
    std::string tree = root_.path() + "/tmp/upper-" + RandomHex();
    EXPECT_OK(MakeDirectories(tree + "/d"));
    EXPECT_OK(WriteFileAtomically(tree + "/d/f", content));
    return tree;
  }
  std::string IndexOf(const std::string& tree) {
    LayerIndexBuilder builder;
    EXPECT_OK(ScanTree(tree, &builder, {}));
    return builder.Serialize().value_or("");
  }

  LayerRef AddFile(const std::string& content) {
    auto layer = layers_->Add(SerializeEntries({FileEntry("f", content)}), "");
    EXPECT_OK(layer);
    return layer.value_or(nullptr);
  }

  std::vector<std::string> In(const std::string& directory) const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(root_.path() + "/" + directory)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  absl::StatusOr<std::string> TarOf(const LayerRef& layer, const Digest& diff_id) {
    std::string tar;
    absl::Status written = layers_->WriteTar(layer, diff_id,
                                             [&tar](std::string_view piece) {
                                               tar += piece;
                                               return absl::OkStatus();
                                             },
                                             {});
    return written.ok() ? absl::StatusOr<std::string>(tar) : written;
  }

  std::string Boot(const LayerRef& layer) {
    std::string boot;
    EXPECT_OK(database_->Read([&](Connection& connection) -> absl::Status {
      auto select = connection.Prepare("SELECT boot FROM layers WHERE id = ?");
      EXPECT_OK(select);
      select->BindDigest(1, layer->id());
      EXPECT_THAT(select->Step(), IsOkAndHolds(true));
      boot = std::string(select->Text(0));
      return absl::OkStatus();
    }));
    return boot;
  }
  void Execute(std::string_view sql) {
    ASSERT_OK(database_->Write([sql](Connection& connection) -> absl::Status {
      auto statement = connection.Prepare(sql);
      return statement.ok() ? statement->Run() : statement.status();
    }));
  }

  ScopedDirectory root_;
  Uses uses_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<ContentStore> contents_;
  std::unique_ptr<LayerStore> layers_;
};

TEST_F(LayerStoreTest, AddedLayersAreFound) {
  LayerRef layer = AddFile("x");
  EXPECT_EQ(layer->At(0), FileEntry("f", "x"));
  EXPECT_THAT(layers_->Get(layer->id()), IsOkAndHolds(layer));
  EXPECT_EQ(AddFile("x"), layer);
  Digest id = layer->id();
  Reopen();
  ASSERT_OK_AND_ASSIGN(LayerRef again, layers_->Get(id));
  EXPECT_EQ(again->id(), id);
  EXPECT_EQ(EntriesOf(*again), EntriesOf(*layer));
  EXPECT_THAT(layers_->Get(Digest::Of("none")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LayerStoreTest, WhatIsNoIndexIsRefused) {
  EXPECT_THAT(layers_->Add("nonsense", ""), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(LayerStoreTest, ATreeIsTakenOver) {
  std::string tree = RunTree("made by a RUN");
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Add(IndexOf(tree), tree));
  EXPECT_FALSE(std::filesystem::exists(tree));
  ASSERT_OK_AND_ASSIGN(uint64_t number, layers_->EnsureTree(layer, {}));
  EXPECT_THAT(ReadFile(layers_->trees_directory() + "/" + std::to_string(number) + "/d/f"),
              IsOkAndHolds("made by a RUN"));
}

TEST_F(LayerStoreTest, ATreeBecomesALayerInOneRead) {
  const std::string tree = RunTree("content");
  ASSERT_EQ(link((tree + "/d/f").c_str(), (tree + "/link").c_str()), 0);
  const std::string index = IndexOf(tree);
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->AddTree(tree, {}));
  EXPECT_EQ(layer->id(), Digest::Of(index));
  EXPECT_FALSE(std::filesystem::exists(tree));
  // Without the tree nothing could be digested: it is known.
  ASSERT_OK_AND_ASSIGN(TarIdentity first,
                       layers_->EnsureTarIdentity(layer->id(), std::nullopt, {}));
  ASSERT_OK_AND_ASSIGN(std::string tar, TarOf(layer, first.diff_id));
  EXPECT_EQ(first.diff_id, Digest::Of(tar));
  EXPECT_EQ(first.size, tar.size());
  ASSERT_OK(RemoveTree(layers_->trees_directory() + "/" + In("trees").front()));
  ASSERT_OK_AND_ASSIGN(TarIdentity known,
                       layers_->EnsureTarIdentity(layer->id(), std::nullopt, {}));
  EXPECT_EQ(known.diff_id, first.diff_id);
}

TEST_F(LayerStoreTest, ASecondTreeIsRemovedAndAFirstOneKept) {
  std::string first = RunTree("x"), second = RunTree("x");
  for (const std::string& tree : {first, second}) {
    timespec times[2] = {{5, 0}, {5, 0}};
    for (const char* name : {"/d/f", "/d"}) {
      ASSERT_EQ(utimensat(AT_FDCWD, (tree + name).c_str(), times, 0), 0);
    }
  }
  std::string index = IndexOf(first);
  ASSERT_EQ(IndexOf(second), index);
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Add(index, ""));
  ASSERT_OK(layers_->Add(index, first));
  ASSERT_OK_AND_ASSIGN(uint64_t number, layers_->EnsureTree(layer, {}));
  ASSERT_OK(layers_->Add(index, second));
  EXPECT_THAT(layers_->EnsureTree(layer, {}), IsOkAndHolds(number));
  EXPECT_THAT(In("trees"), SizeIs(1));
  EXPECT_THAT(In("tmp"), SizeIs(0));
}

TEST_F(LayerStoreTest, TreesAreMadeFromContents) {
  Store("stored");
  LayerRef layer = AddFile("stored");
  ASSERT_OK_AND_ASSIGN(uint64_t number, layers_->EnsureTree(layer, {}));
  EXPECT_THAT(ReadFile(layers_->trees_directory() + "/" + std::to_string(number) + "/f"),
              IsOkAndHolds("stored"));
  EXPECT_THAT(layers_->EnsureTree(layer, {}), IsOkAndHolds(number));
  EXPECT_THAT(In("tmp"), SizeIs(0));
}

TEST_F(LayerStoreTest, TreesOfSeveralLayersComeInTheirOrder) {
  std::vector<LayerRef> layers;
  for (int i = 0; i < 20; ++i) {
    const std::string name = std::to_string(i);
    Store(name);
    ASSERT_OK_AND_ASSIGN(layers.emplace_back(),
                         layers_->Add(SerializeEntries({FileEntry("f", name)}), ""));
    ASSERT_OK_AND_ASSIGN(layers.emplace_back(), layers_->Add(SerializeEntries({}), ""));
  }
  ASSERT_OK_AND_ASSIGN(const std::vector<uint64_t> trees, EnsureTrees(*layers_, layers, {}));
  ASSERT_THAT(trees, SizeIs(20));
  for (size_t i = 0; i < trees.size(); ++i) {
    EXPECT_THAT(ReadFile(layers_->trees_directory() + "/" + std::to_string(trees[i]) + "/f"),
                IsOkAndHolds(std::to_string(i)));
  }
  std::stop_source stopped;
  stopped.request_stop();
  Store("later");
  EXPECT_THAT(EnsureTrees(*layers_, {AddFile("later")}, stopped.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(LayerStoreTest, NumbersOfTreesAreNeverUsedTwice) {
  std::set<uint64_t> numbers;
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 70; j += i == 0 ? 1 : 35) {
      ASSERT_OK_AND_ASSIGN(
          LayerRef layer,
          layers_->Add(SerializeEntries({DirectoryEntry(std::to_string(100 * i + j))}), ""));
      ASSERT_OK_AND_ASSIGN(uint64_t number, layers_->EnsureTree(layer, {}));
      EXPECT_TRUE(numbers.insert(number).second) << number;
    }
    Reopen();
  }
}

TEST_F(LayerStoreTest, CallsAtOnceShareTheTreeAndTheTar) {
  Store("stored");
  LayerRef layer = AddFile("stored");
  std::vector<uint64_t> numbers(8);
  std::vector<Digest> diff_ids(8);
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < numbers.size(); ++i) {
      threads.emplace_back([this, &layer, &numbers, &diff_ids, i] {
        numbers[i] = layers_->EnsureTree(layer, {}).value_or(0);
        auto tar = layers_->EnsureTarIdentity(layer->id(), {}, {});
        diff_ids[i] = tar.ok() ? tar->diff_id : Digest();
      });
    }
  }
  EXPECT_EQ(std::set<uint64_t>(numbers.begin(), numbers.end()).size(), 1u);
  EXPECT_EQ(std::set<Digest>(diff_ids.begin(), diff_ids.end()).size(), 1u);
  EXPECT_FALSE(diff_ids[0].IsNone());
  EXPECT_THAT(In("trees"), SizeIs(1));
}

TEST_F(LayerStoreTest, TheTarIdentityIsThatOfTheTar) {
  Store("stored");
  std::string tree = RunTree("in the tree only");
  ASSERT_OK_AND_ASSIGN(LayerRef run, layers_->Add(IndexOf(tree), tree));
  for (const LayerRef& layer : {AddFile("stored"), run}) {
    ASSERT_OK_AND_ASSIGN(TarIdentity identity, layers_->EnsureTarIdentity(layer->id(), {}, {}));
    ASSERT_OK_AND_ASSIGN(std::string tar, TarOf(layer, identity.diff_id));
    EXPECT_EQ(identity.diff_id, Digest::Of(tar));
    EXPECT_EQ(identity.size, tar.size());
  }
  // It is remembered: nothing is read again.
  ASSERT_OK_AND_ASSIGN(TarIdentity before, layers_->EnsureTarIdentity(run->id(), {}, {}));
  for (const char* directory : {"/trees", "/indexes"}) {
    ASSERT_OK(RemoveTree(root_.path() + directory));
  }
  Reopen();
  ASSERT_OK_AND_ASSIGN(TarIdentity after, layers_->EnsureTarIdentity(run->id(), {}, {}));
  EXPECT_EQ(after.diff_id, before.diff_id);
  EXPECT_THAT(layers_->EnsureTarIdentity(Digest::Of("none"), {}, {}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LayerStoreTest, ATarThatArrivedStaysAsItIs) {
  LayerRef layer = AddFile("x");
  ASSERT_OK(layers_->SetTarIdentity(layer->id(), {Digest::Of("tar"), 3}));
  ASSERT_OK_AND_ASSIGN(TarIdentity tar, layers_->EnsureTarIdentity(layer->id(), {}, {}));
  EXPECT_EQ(tar.diff_id, Digest::Of("tar"));
  EXPECT_EQ(tar.size, 3u);
  EXPECT_THAT(TarOf(layer, tar.diff_id), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_OK(layers_->SetTarIdentity(layer->id(), {Digest::Of("another"), 7}));
  ASSERT_OK_AND_ASSIGN(tar, layers_->EnsureTarIdentity(layer->id(), {}, {}));
  EXPECT_EQ(tar.diff_id, Digest::Of("tar"));
  EXPECT_THAT(layers_->SetTarIdentity(Digest::Of("none"), {Digest::Of("tar"), 3}),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LayerStoreTest, AnIdentityOfAnotherTarFormatIsMadeAnew) {
  Store("stored");
  LayerRef layer = AddFile("stored");
  ASSERT_OK_AND_ASSIGN(TarIdentity now, layers_->EnsureTarIdentity(layer->id(), {}, {}));
  Execute("UPDATE layers SET tar_format = 99, diff_id = zeroblob(32)");
  ASSERT_OK_AND_ASSIGN(TarIdentity again, layers_->EnsureTarIdentity(layer->id(), {}, {}));
  EXPECT_EQ(again.diff_id, now.diff_id);
}

TEST_F(LayerStoreTest, EachEpochMakesATarOfItsOwn) {
  Store("stored");
  Entry file = FileEntry("f", "stored");
  file.mtime_ns = 1'700'000'000'000'000'000;
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Add(SerializeEntries({file}), ""));
  std::set<Digest> diff_ids;
  for (TarEpoch epoch : {TarEpoch(), TarEpoch(0), TarEpoch(1'600'000'000)}) {
    ASSERT_OK_AND_ASSIGN(TarIdentity tar, layers_->EnsureTarIdentity(layer->id(), epoch, {}));
    EXPECT_TRUE(diff_ids.insert(tar.diff_id).second);
  }
  // They are remembered: nothing is read again to name them, and each can be written by its name.
  Reopen();
  ASSERT_OK_AND_ASSIGN(layer, layers_->Get(layer->id()));
  for (const Digest& diff_id : diff_ids) {
    EXPECT_THAT(layers_->TarSize(layer->id(), diff_id), IsOkAndHolds(Optional(2048u)));
    ASSERT_OK_AND_ASSIGN(std::string tar, TarOf(layer, diff_id));
    EXPECT_EQ(Digest::Of(tar), diff_id);
  }
  ASSERT_OK(RemoveTree(root_.path() + "/packs"));
  ASSERT_OK_AND_ASSIGN(TarIdentity again, layers_->EnsureTarIdentity(layer->id(), 0, {}));
  EXPECT_TRUE(diff_ids.contains(again.diff_id));
  EXPECT_EQ(again.size, 2048u);
}

TEST_F(LayerStoreTest, ATarThatNobodyNamedIsNotWritten) {
  LayerRef layer = AddFile("x");
  EXPECT_THAT(layers_->TarSize(layer->id(), Digest::Of("tar")), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(TarOf(layer, Digest::Of("tar")), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(layers_->TarSize(Digest::Of("none"), Digest::Of("tar")),
              StatusIs(absl::StatusCode::kNotFound));
}

// What arrived has the times that it has; a build that makes the same layer clamps its own tar.
TEST_F(LayerStoreTest, ALayerThatArrivedHasClampedTarsBesides) {
  Store("x");
  LayerRef layer = AddFile("x");
  ASSERT_OK(layers_->SetTarIdentity(layer->id(), {Digest::Of("tar"), 3}));
  ASSERT_OK_AND_ASSIGN(TarIdentity clamped, layers_->EnsureTarIdentity(layer->id(), 5, {}));
  ASSERT_OK_AND_ASSIGN(std::string tar, TarOf(layer, clamped.diff_id));
  EXPECT_EQ(Digest::Of(tar), clamped.diff_id);
  ASSERT_OK_AND_ASSIGN(TarIdentity arrived, layers_->EnsureTarIdentity(layer->id(), {}, {}));
  EXPECT_EQ(arrived.diff_id, Digest::Of("tar"));
}

TEST_F(LayerStoreTest, ContentsComeFromTheTreeWhereTheStoreLacksThem) {
  std::string tree = RunTree("in the tree only");
  ASSERT_OK_AND_ASSIGN(LayerRef layer, layers_->Add(IndexOf(tree), tree));
  Entry file = layer->At(layer->Find("d/f"));
  ASSERT_OK_AND_ASSIGN(ContentFile content, layers_->OpenContent(*layer, file));
  std::string bytes;
  ASSERT_OK(ReadContent(content, file.content, [&bytes](std::string_view piece) {
    bytes += piece;
    return absl::OkStatus();
  }));
  EXPECT_EQ(bytes, "in the tree only");
  ASSERT_OK_AND_ASSIGN(uint64_t number, layers_->EnsureTree(layer, {}));
  std::string inside = layers_->trees_directory() + "/" + std::to_string(number) + "/d/f";
  ASSERT_OK(WriteFileAtomically(inside, "other"));
  EXPECT_THAT(layers_->OpenContent(*layer, file), StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_EQ(unlink(inside.c_str()), 0);
  ASSERT_EQ(symlink("/etc/passwd", inside.c_str()), 0);
  EXPECT_FALSE(layers_->OpenContent(*layer, file).ok());
  ASSERT_EQ(unlink(inside.c_str()), 0);
  EXPECT_THAT(layers_->OpenContent(*layer, file),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("'d/f'")));
}

TEST_F(LayerStoreTest, MissingContentsNameFileAndLayer) {
  LayerRef layer = AddFile("nowhere");
  EXPECT_THAT(layers_->OpenContent(*layer, layer->At(0)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(layer->id().Hex())));
  EXPECT_THAT(layers_->EnsureTree(layer, {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(In("trees"), SizeIs(0));
  EXPECT_THAT(In("tmp"), SizeIs(0));
}

TEST_F(LayerStoreTest, StoppedWorkLeavesNothing) {
  Store("stored");
  LayerRef layer = AddFile("stored");
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(layers_->EnsureTree(layer, stop.get_token()), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(layers_->EnsureTarIdentity(layer->id(), {}, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(In("trees"), SizeIs(0));
  EXPECT_THAT(In("tmp"), SizeIs(0));
  EXPECT_OK(layers_->EnsureTree(layer, {}));
}

TEST_F(LayerStoreTest, IndexesThatAPowerFailureDamaged) {
  std::string bytes = SerializeEntries({FileEntry("f", "x")});
  std::string file = root_.path() + "/indexes/" + Digest::Of(bytes).Hex();
  ASSERT_OK(WriteFileAtomically(file, ""));
  ASSERT_OK(layers_->Add(bytes, "").status());
  EXPECT_THAT(ReadFile(file), IsOkAndHolds(bytes));
  ASSERT_OK(WriteFileAtomically(file, bytes.substr(0, 50)));
  Reopen();
  EXPECT_THAT(layers_->Get(Digest::Of(bytes)),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Digest::Of(bytes).Hex())));
}

TEST_F(LayerStoreTest, ALaterTreeHasToBeSyncedAgain) {
  Store("stored");
  LayerRef layer = AddFile("stored");
  EXPECT_EQ(Boot(layer), BootId());
  Execute("UPDATE layers SET boot = ''");
  ASSERT_OK(layers_->EnsureTarIdentity(layer->id(), {}, {}));
  EXPECT_EQ(Boot(layer), "");
  ASSERT_OK(layers_->EnsureTree(layer, {}));
  EXPECT_EQ(Boot(layer), BootId());
}

TEST_F(LayerStoreTest, RemovesWhatNobodyNamesOrUses) {
  LayerRef layer = AddFile("x");
  const std::string tree = RunTree("y");
  LayerRef with_tree = layers_->Add(IndexOf(tree), tree).value_or(nullptr);
  const std::vector<Digest> ids = {layer->id(), with_tree->id(), Digest::Of("none")};
  const std::string trash = root_.path() + "/tmp";
  Uses::Work work = uses_.Begin();
  {
    const Uses::Work collection = uses_.BeginCollection();
    EXPECT_TRUE(layers_->InUse(ids[0]));
    EXPECT_THAT(layers_->Remove(ids, collection.since(), trash), IsOkAndHolds(ElementsAre(ids[2])));
  }
  layer.reset();
  ASSERT_OK(layers_->Get(ids[0]).status());  // handed out to the work
  with_tree.reset();
  {
    const Uses::Work collection = uses_.BeginCollection();
    EXPECT_THAT(layers_->Remove(ids, collection.since(), trash),
                IsOkAndHolds(ElementsAre(ids[1], ids[2])));
    EXPECT_THAT(In("trees"), IsEmpty());
  }
  work = Uses::Work();
  EXPECT_FALSE(layers_->InUse(ids[0]));
  Execute(
      "INSERT INTO contexts (id, namespace, layer, from_tar, expires) "
      "SELECT 'c', 'n', id, 0, 0 FROM layers");
  const Uses::Work collection = uses_.BeginCollection();
  EXPECT_THAT(layers_->Remove({ids[0]}, collection.since(), trash), IsOkAndHolds(IsEmpty()));
  Execute("DELETE FROM contexts");
  EXPECT_THAT(layers_->Remove({ids[0]}, collection.since(), trash),
              IsOkAndHolds(ElementsAre(ids[0])));
  EXPECT_THAT(In("indexes"), IsEmpty());
  EXPECT_THAT(layers_->Get(ids[0]), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_NE(AddFile("x"), nullptr);
}

TEST_F(LayerStoreTest, RemovalTakesNothingFromWorkUnderWay) {
  const std::vector<Digest> ids = {AddFile("0")->id(), AddFile("1")->id(), AddFile("2")->id()};
  std::atomic<bool> done{false};
  std::jthread collector([&] {
    while (!done) {
      const Uses::Work collection = uses_.BeginCollection();
      EXPECT_OK(layers_->Remove(ids, collection.since(), root_.path() + "/tmp"));
    }
  });
  std::vector<std::jthread> workers;
  for (int worker = 0; worker < 3; ++worker) {
    workers.emplace_back([&] {
      for (int round = 0; round < 60; ++round) {
        const Uses::Work work = uses_.Begin();
        const std::string content = std::to_string(round % 3);
        LayerRef layer = AddFile(content);
        ASSERT_NE(layer, nullptr);
        const Digest id = layer->id();
        layer.reset();
        EXPECT_OK(layers_->Get(id));
      }
    });
  }
  workers.clear();
  done = true;
}

}  // namespace
}  // namespace zlayer
