#include "client/lib/context_uploader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "client/lib/context_walker.h"
#include "client/lib/fake_daemon.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Takes an upload as the daemon does: the index, then the files of `wanted`, then an answer.
class ContextUploaderTest : public FakeDaemonTest {
 protected:
  void SetUp() override {
    FakeDaemonTest::SetUp();
    context_ = directory_.path() + "/context";
    ASSERT_OK(MakeDirectories(context_));
    service_.upload = [this](FakeBuildService::Upload* stream) { return Receive(stream); };
    StartDaemon();
  }

  void Write(const std::string& path, std::string_view content, bool old = true) {
    ASSERT_OK(WriteFileAtomically(context_ + "/" + path, content));
    if (old) {
      timespec times[2] = {{1'000'000, 0}, {1'000'000, 0}};
      ASSERT_EQ(utimensat(AT_FDCWD, (context_ + "/" + path).c_str(), times, 0), 0);
    }
  }

  grpc::Status Receive(FakeBuildService::Upload* stream) {
    v1::UploadContextRequest request;
    while (stream->Read(&request)) {
      if (request.has_start()) {
        start_ = request.start();
      } else if (request.has_entries()) {
        largest_ = std::max(largest_, request.ByteSizeLong());
        for (const v1::ContextEntry& entry : request.entries().entries()) {
          entries_.push_back(entry);
        }
        if (request.entries().last()) {
          Ask(stream);
        }
      } else if (request.has_tar()) {
        tar_ += request.tar().data();
      } else if (request.has_contents()) {
        largest_ = std::max(largest_, request.ByteSizeLong());
        TakeApart(request.contents());
      } else {
        largest_ = std::max(largest_, request.ByteSizeLong());
        contents_[request.content().entry()] += request.content().data();
        ends_ += request.content().last() ? 1 : 0;
      }
    }
    if (!refusal_.ok()) {
      return refusal_;
    }
    v1::UploadContextResponse response;
    response.mutable_ready()->set_context_id("c1");
    stream->Write(response);
    return grpc::Status::OK;
  }

  void TakeApart(const v1::FileContents& contents) {
    std::string_view data = contents.data();
    auto entry = std::find(wanted_.begin(), wanted_.end(), contents.first());
    for (uint64_t i = 0; i < contents.count() && entry != wanted_.end(); ++i, ++entry, ++ends_) {
      contents_[*entry] = data.substr(0, entries_[*entry].size());
      data.remove_prefix(contents_[*entry].size());
    }
    EXPECT_EQ(data, "");
    ++messages_;
  }

  void Ask(FakeBuildService::Upload* stream) {
    if (before_asking_) {
      before_asking_();
    }
    v1::UploadContextResponse response;
    for (uint64_t entry : wanted_) {
      response.mutable_wanted()->add_entries(entry);
      stream->Write(response);
      response.mutable_wanted()->clear_entries();
    }
    response.mutable_wanted()->set_last(true);
    stream->Write(response);
  }

  absl::StatusOr<v1::ContextReady> Upload() {
    auto root = OpenContext(context_);
    if (!root.ok()) {
      return root.status();
    }
    UploadOptions options;
    options.name_space = "ns";
    options.context_name = "extra";
    options.spec = &spec_;
    options.digests = &digests_;
    options.progress = [this](const UploadCounts& counts) { counts_ = counts; };
    return UploadDirectory(*connection_, root->get(), options, stop_.get_token());
  }

  std::string context_;
  UploadCounts counts_;  // as told last
  v1::BuildSpec spec_;
  DigestCache digests_;
  std::vector<uint64_t> wanted_;
  std::function<void()> before_asking_;
  grpc::Status refusal_;

  v1::UploadStart start_;
  std::vector<v1::ContextEntry> entries_;
  std::map<uint64_t, std::string> contents_;
  std::string tar_;
  size_t largest_ = 0;
  int ends_ = 0;
  int messages_ = 0;  // with several files
};

TEST_F(ContextUploaderTest, SendsSmallFilesTogether) {
  const std::string half(700'000, 'h');
  Write("a", half);
  Write("b", "");
  Write("c", half);
  Write("d", std::string(2'000'000, 'l'));
  Write("e", "last");
  wanted_ = {0, 1, 2, 3, 4};
  ASSERT_OK(Upload());
  EXPECT_EQ(messages_, 3);
  EXPECT_EQ(ends_, 5);
  EXPECT_EQ(counts_.files, 5u);
  EXPECT_EQ(counts_.bytes, 3'400'004u);
  EXPECT_EQ(contents_[0], half);
  EXPECT_EQ(contents_[1], "");
  EXPECT_EQ(contents_[2], half);
  EXPECT_EQ(contents_[3].size(), 2'000'000u);
  EXPECT_EQ(contents_[4], "last");
  EXPECT_LT(largest_, size_t{1'100'000});
}

TEST_F(ContextUploaderTest, SendsTheIndexAndOnlyWhatIsWanted) {
  spec_.set_target("final");
  Write("a", "content of a");
  Write("b", "content of b");
  Write("c", "");
  wanted_ = {0, 2};
  ASSERT_OK_AND_ASSIGN(v1::ContextReady ready, Upload());
  EXPECT_EQ(ready.context_id(), "c1");
  EXPECT_EQ(start_.namespace_(), "ns");
  EXPECT_EQ(start_.context_name(), "extra");
  EXPECT_EQ(start_.spec().target(), "final");
  EXPECT_FALSE(start_.tar());
  ASSERT_EQ(entries_.size(), 3u);
  EXPECT_EQ(entries_[1].path(), "b");
  EXPECT_THAT(contents_, ElementsAre(std::pair(0, "content of a"), std::pair(2, "")));
  EXPECT_EQ(ends_, 2);
}

TEST_F(ContextUploaderTest, TellsHowFarItIs) {
  Write("a", "content of a");
  Write("b", "not wanted");
  Write("large", std::string(3'000'000, 'x'));
  wanted_ = {0, 2};
  ASSERT_OK(Upload());
  EXPECT_EQ(counts_.entries, 3u);
  EXPECT_EQ(counts_.files, 2u);
  EXPECT_EQ(counts_.bytes, 3'000'012u);
}

TEST_F(ContextUploaderTest, AnEmptyDirectoryIsAContext) {
  ASSERT_OK(Upload());
  EXPECT_TRUE(entries_.empty());
}

TEST_F(ContextUploaderTest, LargeFilesTravelInFrames) {
  std::string content(5'000'001, 'x');
  content.back() = 'y';
  Write("large", content);
  wanted_ = {0};
  ASSERT_OK(Upload());
  EXPECT_EQ(contents_[0], content);
  EXPECT_LT(largest_, size_t{3} << 20);
  EXPECT_EQ(ends_, 1);
}

TEST_F(ContextUploaderTest, ALongIndexTravelsInBatches) {
  for (int i = 0; i < 300; ++i) {
    std::string path = context_ + "/link" + std::to_string(i);
    ASSERT_EQ(symlink(std::string(4000, 't').c_str(), path.c_str()), 0);
  }
  ASSERT_OK(Upload());
  EXPECT_EQ(entries_.size(), 300u);
  EXPECT_LT(largest_, size_t{1200} << 10);
}

TEST_F(ContextUploaderTest, AChangeAfterTheWalkIsSentWhereTheIndexStillHolds) {
  Write("a", "old");
  wanted_ = {0};
  before_asking_ = [this] { Write("a", "new"); };
  ASSERT_OK(Upload());
  EXPECT_EQ(contents_[0], "new");
}

TEST_F(ContextUploaderTest, AFileOfAnotherSizeFailsByName) {
  Write("a", "old");
  wanted_ = {0};
  before_asking_ = [this] { Write("a", "longer"); };
  EXPECT_THAT(Upload(), StatusIs(absl::StatusCode::kAborted, HasSubstr("\"a\"")));
}

TEST_F(ContextUploaderTest, ALargeFileOfAnotherSizeFailsByName) {
  Write("a", std::string(2 << 20, 'x'));
  wanted_ = {0};
  before_asking_ = [this] { Write("a", "short"); };
  EXPECT_THAT(Upload(), StatusIs(absl::StatusCode::kAborted, HasSubstr("\"a\"")));
}

TEST_F(ContextUploaderTest, AFileThatIsGoneFailsByName) {
  Write("a", "old");
  wanted_ = {0};
  before_asking_ = [this] { unlink((context_ + "/a").c_str()); };
  EXPECT_THAT(Upload(), StatusIs(absl::StatusCode::kAborted, HasSubstr("\"a\"")));
}

TEST_F(ContextUploaderTest, AnEntryThatIsNoFileIsNotSent) {
  ASSERT_OK(MakeDirectories(context_ + "/dir"));
  wanted_ = {0};
  EXPECT_THAT(Upload(), StatusIs(absl::StatusCode::kInternal));
  wanted_ = {77};
  EXPECT_THAT(Upload(), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(ContextUploaderTest, AFreshFileIsNotRemembered) {
  Write("a", "content", /*old=*/false);
  wanted_ = {0};
  ASSERT_OK(Upload());
  entries_.clear();
  ASSERT_OK(Upload());
  EXPECT_EQ(entries_[0].sha256(), "");
}

TEST_F(ContextUploaderTest, TheRefusalOfTheDaemonIsReturned) {
  Write("a", "content");
  refusal_ = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "Dockerfile:3: unknown instruction");
  EXPECT_THAT(Upload(),
              StatusIs(absl::StatusCode::kInvalidArgument, "Dockerfile:3: unknown instruction"));
}

TEST_F(ContextUploaderTest, ARefusalInTheMiddleIsReturned) {
  Write("a", std::string(20'000'000, 'x'));
  wanted_ = {0};
  service_.upload = [this](FakeBuildService::Upload* stream) {
    v1::UploadContextRequest request;
    while (stream->Read(&request) && !(request.has_entries() && request.entries().last())) {
    }
    Ask(stream);
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "no space");
  };
  EXPECT_THAT(Upload(), StatusIs(absl::StatusCode::kResourceExhausted, "no space"));
}

TEST_F(ContextUploaderTest, AStopEndsTheUpload) {
  Write("a", "content");
  before_asking_ = [this] { stop_.request_stop(); };
  wanted_ = {0};
  EXPECT_THAT(Upload(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(ContextUploaderTest, WithoutADaemonTheAddressIsNamed) {
  StopDaemon();
  EXPECT_THAT(Upload(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address_)));
}

TEST_F(ContextUploaderTest, ATarIsPassedOn) {
  std::string archive(3'500'000, 't');
  ASSERT_OK(WriteFileAtomically(directory_.path() + "/tar", archive));
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenFile(directory_.path() + "/tar", O_RDONLY));
  UploadOptions options;
  options.name_space = "ns";
  ASSERT_OK(UploadTar(*connection_, fd.get(), options, stop_.get_token()));
  EXPECT_TRUE(start_.tar());
  EXPECT_EQ(tar_, archive);
}

}  // namespace
}  // namespace zlayer
