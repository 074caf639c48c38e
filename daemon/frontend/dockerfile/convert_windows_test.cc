// Dockerfiles of images for Windows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/convert_fixture.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kServerCore[] = "mcr.microsoft.com/windows/servercore:ltsc2022";
constexpr char kNano[] = "mcr.microsoft.com/windows/nanoserver:ltsc2022";
// In it, backslashes are what they are.
constexpr char kEscape[] = "# escape=`\n";

v1::Platform Windows(const std::string& version = "10.0.20348.2700") {
  v1::Platform platform;
  platform.set_os("windows");
  platform.set_architecture("amd64");
  platform.set_os_version(version);
  return platform;
}

class ConvertWindowsTest : public ConvertTest {
 protected:
  ConvertWindowsTest() {
    request_.platform = Windows("");
    for (const char* name : {kServerCore, kNano}) {
      resolver_.Add(name).add_env("Path=C:\\Windows");
      resolver_.SetPlatform(name, Windows());
    }
  }

  // Behind FROM servercore.
  std::vector<v1::Operation> On(const std::string& text) {
    return Operations(std::string(kEscape) + "FROM " + kServerCore + "\n" + text);
  }

  absl::Status RefusedOn(const std::string& text) {
    return Convert(std::string(kEscape) + "FROM " + kServerCore + "\n" + text).status();
  }

  std::vector<std::string> Rules() const {
    std::vector<std::string> rules;
    for (const v1::Warning& warning : warnings_) {
      rules.push_back(warning.rule());
    }
    return rules;
  }
};

TEST_F(ConvertWindowsTest, WorkdirIsOnTheDrive) {
  const struct {
    const char* text;
    const char* configured;
    const char* made;
  } kCases[] = {
      {"WORKDIR C:\\app", "C:\\app", "/app"},
      {"WORKDIR /app", "C:\\app", "/app"},
      {"WORKDIR \\app\\x", "C:\\app\\x", "/app/x"},
      {"WORKDIR c:/app\nWORKDIR sub", "C:\\app\\sub", "/app/sub"},
      {"WORKDIR C:\\app\nWORKDIR ..\\other", "C:\\other", "/other"},
  };
  for (const auto& test : kCases) {
    const v1::Operation last = On(test.text).back();
    EXPECT_EQ(last.config(0).set_working_dir(), test.configured) << test.text;
    EXPECT_EQ(last.make_directory().path(), test.made) << test.text;
  }
  EXPECT_THAT(RefusedOn("WORKDIR D:\\app\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("drive C:")));
}

TEST_F(ConvertWindowsTest, DestinationsOfCopy) {
  const struct {
    const char* text;
    const char* destination;
  } kCases[] = {
      {"COPY a C:\\app\\", "/app/"},
      {"COPY a C:/app", "/app"},
      {"COPY a b c:\\app\\", "/app/"},
      {"COPY [\"a\", \"C:\\\\app\\\\\"]", "/app/"},
      {"COPY a .", "/"},
      {"WORKDIR C:\\w\nCOPY a x\\", "/w/x/"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(On(test.text).back().copy().destination(), test.destination) << test.text;
  }
  EXPECT_EQ(On("COPY dir\\a.exe C:\\app\\").back().copy().sources(0).path(), "dir/a.exe");
  for (const char* text : {"COPY a D:\\app", "COPY a \\\\host\\share", "COPY D:\\a C:\\a"}) {
    EXPECT_THAT(RefusedOn(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST_F(ConvertWindowsTest, OwnersAreOfLinux) {
  EXPECT_EQ(On("COPY --chown=app a C:\\a").back().copy().owner(), "");
  EXPECT_THAT(Rules(), ElementsAre("WindowsOwnerIgnored"));
  EXPECT_EQ(On("USER ContainerUser\nWORKDIR C:\\app").back().make_directory().owner(), "");
}

TEST_F(ConvertWindowsTest, NamesOfVariablesHaveNoCase) {
  const std::vector<v1::Operation> operations =
      On("ENV PATH=%PATH%;C:\\app foo=1\nENV Foo=$FOO-2\nLABEL a=$fOO");
  EXPECT_EQ(operations[0].config(0).set_env().key(), "Path");
  EXPECT_EQ(operations[1].config(0).set_env().key(), "foo");
  EXPECT_EQ(operations[1].config(0).set_env().value(), "1-2");
  EXPECT_EQ(operations[2].config(0).set_label().value(), "1-2");
}

TEST_F(ConvertWindowsTest, ShellAndPath) {
  EXPECT_THAT(On("CMD dir").back().config(0).set_cmd().words(),
              ElementsAre("cmd", "/S", "/C", "dir"));
  EXPECT_THAT(On("SHELL [\"powershell\", \"-Command\"]\nENTRYPOINT dir")
                  .back()
                  .config(0)
                  .set_entrypoint()
                  .words(),
              ElementsAre("powershell", "-Command", "dir"));
  const v1::Graph graph = GraphOf("FROM scratch\nCOPY a /");
  const auto& base = graph.stages(0).operations(0).config();
  EXPECT_EQ(base[0].set_env().value(), "c:\\Windows\\System32;c:\\Windows");
  EXPECT_EQ(base[1].set_working_dir(), "C:\\");
  EXPECT_EQ(FormatPlatform(graph.stages(0).platform()), "windows/amd64");
  EXPECT_EQ(On("RUN dir").back().run().working_directory(), "/");
}

TEST_F(ConvertWindowsTest, TheVersionIsTheBases) {
  request_.platform_is_given = true;
  v1::Graph graph = GraphOf(std::string("FROM ") + kServerCore + " AS a\nFROM a\nCOPY a /");
  EXPECT_EQ(graph.stages(1).platform().os_version(), "10.0.20348.2700");
  graph = GraphOf("FROM scratch\nCOPY a /");
  EXPECT_EQ(graph.stages(0).platform().os_version(), "");
  resolver_.SetPlatform(kServerCore, Windows(""));
  const absl::Status missing = Convert(std::string("FROM ") + kServerCore).status();
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kFailedPrecondition,
                                AllOf(HasSubstr("Dockerfile:1"), HasSubstr("os.version"))));
  EXPECT_EQ(DetailOf(missing).reason(), "OS_VERSION_UNRESOLVED");
  EXPECT_EQ(DetailOf(missing).subject(), kServerCore);
}

TEST_F(ConvertWindowsTest, BasesOfLinuxAreRewritten) {
  const std::string base = "ghcr.io/blackleafdigital/zlayer/golang:1.22-windows-ltsc2025";
  resolver_.Add(base);
  resolver_.SetPlatform(base, Windows());
  request_.windows_ltsc = "ltsc2025";
  const v1::Graph graph = GraphOf("ARG V=1.22\nFROM golang:$V-alpine\nCOPY a /");
  EXPECT_EQ(graph.stages(0).base_text(), base);
  EXPECT_EQ(graph.stages(0).operations(0).text(), "FROM golang:$V-alpine");
  ASSERT_THAT(Rules(), ElementsAre("WindowsBaseRewritten"));
  EXPECT_THAT(warnings_[0].message(), AllOf(HasSubstr("golang:1.22-alpine"), HasSubstr(base)));
  EXPECT_EQ(warnings_[0].source().first_line(), 2u);
}

TEST_F(ConvertWindowsTest, StagesOfLinuxAreNot) {
  v1::Platform linux_host = HostPlatform();
  resolver_.SetPlatform("golang", linux_host);
  const v1::Graph graph =
      GraphOf("FROM --platform=$BUILDPLATFORM golang AS build\nRUN make\nFROM " +
              std::string(kNano) + "\nCOPY --from=build /a /");
  EXPECT_EQ(graph.stages(0).base_text(), "golang");
  EXPECT_EQ(graph.stages(0).platform().os(), "linux");
  EXPECT_EQ(graph.stages(1).platform().os(), "windows");
  EXPECT_THAT(Rules(), IsEmpty());
}

TEST_F(ConvertWindowsTest, ABaseOfAnotherSystemIsRefused) {
  v1::Platform linux_host = HostPlatform();
  resolver_.Add("app");
  resolver_.SetPlatform("app", linux_host);
  const absl::Status wrong = Convert("FROM app").status();
  EXPECT_THAT(wrong, StatusIs(absl::StatusCode::kFailedPrecondition,
                              AllOf(HasSubstr("linux/"), HasSubstr("--target-os"))));
  EXPECT_EQ(DetailOf(wrong).reason(), "WRONG_PLATFORM");
  EXPECT_EQ(DetailOf(wrong).subject(), "app");
  request_.platform = linux_host;
  EXPECT_THAT(Convert(std::string("FROM ") + kServerCore).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("windows/amd64")));
}

TEST_F(ConvertWindowsTest, TheLineOfWindowsServerIsUnused) {
  request_.platform = HostPlatform();
  request_.windows_ltsc = "ltsc2025";
  GraphOf("FROM busybox");
  EXPECT_THAT(Rules(), ElementsAre("WindowsLtscUnused"));
}

// Whatever the build is for.
TEST_F(ConvertWindowsTest, NanoserverHasNoPackageManager) {
  const std::string nano = std::string("FROM ") + kNano + " AS nano\n";
  for (const std::string& text :
       {nano + "RUN echo x && choco install git", nano + "FROM nano\nRUN [\"winget\", \"list\"]",
        nano + "RUN <<EOF\necho x\nchoco install git\nEOF",
        nano + "SHELL [\"powershell\", \"-Command\"]\nRUN echo x; choco install git"}) {
    const absl::Status refused = Convert(text).status();
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                  AllOf(HasSubstr("Dockerfile:"), HasSubstr("servercore"))))
        << text;
    EXPECT_EQ(DetailOf(refused).reason(), "INVALID_INSTRUCTION");
  }
  EXPECT_OK(Convert(nano + "RUN echo choco").status());
  EXPECT_OK(Convert(std::string("FROM ") + kServerCore + "\nRUN choco install git").status());
}

}  // namespace
}  // namespace zlayer
