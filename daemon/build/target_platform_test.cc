#include "daemon/build/target_platform.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "proto/error_detail.h"
#include "registry/image/platform.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Platform Make(const std::string& os, const std::string& architecture) {
  v1::Platform platform;
  platform.set_os(os);
  platform.set_architecture(architecture);
  return platform;
}

TEST(TargetPlatform, TheFirstHintCounts) {
  const v1::Platform pe = Make("windows", "arm64");
  const struct {
    TargetHints hints;
    const char* platform;
  } kCases[] = {
      {{}, "linux/amd64"},
      {{.program = pe}, "windows/arm64"},
      {{.program = Make("linux", "arm64")}, "linux/arm64"},
      {{.program = Make("windows", "")}, "windows/amd64"},
      {{.file_platform = "linux/arm64", .program = pe}, "linux/arm64"},
      {{.file_platform = "nonsense/a/b/c", .program = pe}, "windows/arm64"},
      {{.file_os = "Windows"}, "windows/amd64"},
      {{.file_os = "windows", .file_platform = "linux/arm64"}, "windows/arm64"},
      {{.request_platform = "linux/amd64", .file_os = "windows"}, "linux/amd64"},
      {{.request_platform = "windows/amd64"}, "windows/amd64"},
      {{.request_platform = "windows"}, "windows/amd64"},
      {{.request_platform = "arm64", .file_os = "windows"}, "linux/arm64"},
      {{.request_os = "windows", .request_platform = "linux/arm64"}, "windows/arm64"},
      {{.request_os = "LINUX", .file_os = "windows", .program = pe}, "linux/arm64"},
  };
  for (const auto& test : kCases) {
    ASSERT_OK_AND_ASSIGN(const v1::Platform found,
                         TargetPlatform(test.hints, Make("linux", "amd64")));
    EXPECT_EQ(FormatPlatform(found), test.platform);
  }
}

TEST(TargetPlatform, OtherSystemsAreRefused) {
  const v1::Platform host = Make("linux", "amd64");
  for (const TargetHints& hints :
       {TargetHints{.request_os = "darwin"}, TargetHints{.request_platform = "darwin/arm64"},
        TargetHints{.file_os = "darwin"}, TargetHints{.program = Make("darwin", "arm64")}}) {
    EXPECT_THAT(TargetPlatform(hints, host),
                StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("darwin")));
  }
  const absl::Status unknown = TargetPlatform({.request_os = "beos"}, host).status();
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("beos")));
  EXPECT_EQ(DetailOf(unknown).subject(), "target_os");
  EXPECT_THAT(TargetPlatform({.request_platform = "nonsense"}, host),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("platforms")));
}

TEST(TargetPlatform, HintsAreOfTheRequestAndOfTheFile) {
  v1::BuildSpec spec;
  FileToBuild file;
  EXPECT_FALSE(NamesSystem(HintsOf(spec, file)));
  file.os = "windows";
  EXPECT_TRUE(NamesSystem(HintsOf(spec, file)));
  EXPECT_FALSE(NamesPlatform(HintsOf(spec, file)));
  file.platform = "windows/arm64";
  EXPECT_TRUE(NamesPlatform(HintsOf(spec, file)));
  ASSERT_OK_AND_ASSIGN(const v1::Platform of_file,
                       TargetPlatform(HintsOf(spec, file), Make("linux", "amd64")));
  EXPECT_EQ(FormatPlatform(of_file), "windows/arm64");
  spec.add_platforms(", linux/aarch64 ,");
  EXPECT_EQ(HintsOf(spec).request_platform, "linux/arm64");
  ASSERT_OK_AND_ASSIGN(const v1::Platform of_request,
                       TargetPlatform(HintsOf(spec, file), Make("linux", "amd64")));
  EXPECT_EQ(FormatPlatform(of_request), "linux/arm64");
}

std::vector<std::string> Found(const std::string& operations) {
  v1::Graph graph;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      "targets: 0 stages { " + operations + " }", &graph));
  return FindProgram(graph);
}

std::string Copied(const std::string& source, const std::string& destination) {
  return "operations { copy { sources { from { context: \"\" } path: '" + source +
         "' } destination: '" + destination + "' } }";
}

std::string Runs(const std::string& word, const std::string& directory = "/") {
  return "operations { config { set_working_dir: '" + directory +
         "' } config { set_entrypoint { words: '" + word + "' } } }";
}

constexpr char kScratch[] = "operations { scratch {} } ";

TEST(FindProgram, InTheContext) {
  EXPECT_THAT(Found(kScratch + Copied("app", "/app") + Runs("/app")), ElementsAre("app"));
  EXPECT_THAT(Found(kScratch + Copied("bin/app", "/") + Runs("app")),
              ElementsAre("bin/app", "bin/app/app"));
  EXPECT_THAT(Found(kScratch + Copied(".", "/srv/") + Runs("./bin/app", "/srv")),
              ElementsAre("bin/app"));
  EXPECT_THAT(Found(kScratch + Copied("out/*", "/srv/") + Runs("/srv/app")),
              ElementsAre("out/app", "out/*/app"));
  EXPECT_THAT(Found(kScratch + Copied("a", "/x") + Copied("b", "/x") + Runs("/x")),
              ElementsAre("b", "a"));
}

TEST(FindProgram, OnWindows) {
  EXPECT_THAT(Found(kScratch + Copied("app.exe", R"(/C:\\app\\)") + Runs(R"(C:\\app\\app.exe)")),
              ElementsAre("app.exe", "app.exe/app.exe"));
  EXPECT_THAT(
      Found(kScratch + Copied("bin", R"(/C:\\app/C:\\app\\)") + Runs("app.exe", R"(/C:\\app)")),
      ElementsAre("bin/app.exe"));
  EXPECT_THAT(Found(kScratch + Copied("app.exe", "/app/") + Runs("app.exe", R"(C:\\app)")),
              ElementsAre("app.exe", "app.exe/app.exe"));
}

TEST(FindProgram, NotWhereItComesFromElsewhere) {
  EXPECT_THAT(Found("operations { image {} } " + Copied("app", "/app") + Runs("/app")), IsEmpty());
  EXPECT_THAT(Found(kScratch + Copied("app", "/app")), IsEmpty());
  EXPECT_THAT(Found(kScratch + Copied("app", "/other/") + Runs("/app")), IsEmpty());
  EXPECT_THAT(Found(std::string(kScratch) +
                    "operations { copy { sources { from { stage: 0 } path: 'app' } "
                    "destination: '/app' } }" +
                    Runs("/app")),
              IsEmpty());
}

}  // namespace
}  // namespace zlayer
