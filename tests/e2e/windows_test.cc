// Images for Windows, all of them but RUN: on a base that names a layer by URL alone, as
// Microsoft's did, and on nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kBase[] = "mcr.example/windows/servercore:ltsc2022";
constexpr char kVersion[] = "10.0.20348.2700";
constexpr char kUrl[] = "https://mcr.example/v2/windows/servercore/blobs/sha256:1";
constexpr char kForeignType[] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

// Makes an OCI archive of a base: a layer that is not distributed, and one with two files.
constexpr char kMakeBase[] = R"(
    cd "$1"; mkdir -p files/Files/Windows/System32 files/Hives layout/blobs/sha256
    echo cmd > files/Files/Windows/System32/cmd.exe
    tar -C files --sort=name --mtime=@1700000000 --owner=0 --group=0 -cf layer.tar Files Hives
    put() { digest=$(sha256sum "$1" | cut -c1-64); cp "$1" layout/blobs/sha256/$digest; echo $digest; }
    size() { stat -c %s "$1"; }
    foreign=$(printf foreign | sha256sum | cut -c1-64)
    layer=$(put layer.tar)
    cat > config.json <<EOF
{"architecture":"amd64","os":"windows"$2,"config":{"Env":["Path=C:\\\\Windows"],"Cmd":["cmd.exe"]},
"rootfs":{"type":"layers","diff_ids":["sha256:$foreign","sha256:$layer"]}}
EOF
    config=$(put config.json)
    cat > manifest.json <<EOF
{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:$config","size":$(size config.json)},
"layers":[{"mediaType":"$3","digest":"sha256:$foreign","size":123456789,"urls":["$4"]},
{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:$layer","size":$(size layer.tar)}]}
EOF
    manifest=$(put manifest.json)
    echo '{"imageLayoutVersion":"1.0.0"}' > layout/oci-layout
    cat > layout/index.json <<EOF
{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:$manifest","size":$(size manifest.json)}]}
EOF
    tar -C layout -cf base.tar .)";

constexpr char kDockerfile[] = R"(# escape=`
FROM mcr.example/windows/servercore:ltsc2022
WORKDIR C:\app
COPY app.exe .
COPY data C:\app\data\
ENV PATH=C:\app
ENTRYPOINT ["C:\\app\\app.exe"]
)";

std::vector<std::string> Rules(const std::vector<Json>& events) {
  std::vector<std::string> rules;
  for (const Json& event : events) {
    if (event.contains("warning")) {
      rules.push_back(event["warning"]["rule"]);
    }
  }
  return rules;
}

class WindowsTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    if (!IsSkipped()) {
      StartDaemon();
      ImportBase(kBase);
    }
  }

  // With os.version, unless it is empty.
  void ImportBase(const std::string& name, const std::string& version = kVersion) {
    const std::string member = version.empty() ? "" : R"(,"os.version":")" + version + "\"";
    const Finished made =
        Execute({"sh", "-ec", kMakeBase, "sh", directory_.path(), member, kForeignType, kUrl});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const Finished imported = Zlayer({"import", Path("base.tar"), name});
    ASSERT_EQ(imported.exit_code, 0) << imported.err;
  }

  void WriteApp() {
    WriteContext("Dockerfile", kDockerfile);
    WriteContext("app.exe", "MZ");
    WriteContext("data/a.txt", "a");
  }

  Json Inspect(const std::string& reference) {
    const Finished inspected = Zlayer({"inspect", "--format", "json", reference});
    EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
    return Json::parse(inspected.out, nullptr, false);
  }

  // A document of an image, by skopeo.
  static Json Raw(const std::string& image, bool config) {
    std::vector<std::string> command = {"skopeo", "inspect", "--raw", "--tls-verify=false", image};
    if (config) {
      command.insert(command.begin() + 2, "--config");
    }
    const Finished inspected = Execute(command);
    EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
    return Json::parse(inspected.out, nullptr, false);
  }

  // What a layer of an exported image has, a name a line.
  std::vector<std::string> Listed(const std::string& archive, const std::string& digest) {
    const Finished listed = Execute({"sh", "-c", "tar -xOf \"$1\" blobs/sha256/$2 | tar -t", "sh",
                                     archive, digest.substr(digest.find(':') + 1)});
    EXPECT_EQ(listed.exit_code, 0) << listed.err;
    std::vector<std::string> lines;
    for (size_t at = 0, end = 0; (end = listed.out.find('\n', at)) != std::string::npos;
         at = end + 1) {
      lines.push_back(listed.out.substr(at, end - at));
    }
    return lines;
  }

  std::string Layer(const std::string& archive, const std::string& digest) {
    return Execute({"tar", "-xOf", archive, "blobs/sha256/" + digest.substr(digest.find(':') + 1)})
        .out;
  }

  Json Failure(const std::vector<Json>& events) { return Find(events, "build_failed"); }
};

TEST_F(WindowsTest, IsBuiltOnABaseThatIsNotHere) {
  WriteApp();
  const std::vector<Json> events = Build({"--platform", "windows/amd64", "-t", "app:1"});
  EXPECT_THAT(Rules(events), IsEmpty());
  const Json image = Inspect("app:1");
  EXPECT_EQ(image["image"]["platform"]["os"], "windows");
  EXPECT_EQ(image["image"]["platform"]["os_version"], kVersion);
  EXPECT_THAT(Zlayer({"inspect", "app:1"}).out, HasSubstr("windows/amd64 "s + kVersion));

  ASSERT_EQ(Zlayer({"export", "-o", Path("app.tar"), "app:1"}).exit_code, 0);
  const Json config = Raw("oci-archive:" + Path("app.tar"), true);
  EXPECT_EQ(config["os.version"], kVersion);
  EXPECT_EQ(config["config"]["WorkingDir"], "C:\\app");
  EXPECT_EQ(config["config"]["Env"], Json::array({"Path=C:\\app"}));
  EXPECT_EQ(config["config"]["Entrypoint"], Json::array({"C:\\app\\app.exe"}));
  const Json manifest = Raw("oci-archive:" + Path("app.tar"), false);
  ASSERT_EQ(manifest["layers"].size(), 5u);
  EXPECT_EQ(manifest["layers"][0]["mediaType"], kForeignType);
  EXPECT_EQ(manifest["layers"][0]["urls"], Json::array({kUrl}));

  EXPECT_THAT(Listed(Path("app.tar"), manifest["layers"][2]["digest"]),
              ElementsAre("Files/", "Files/app/", "Hives/"));
  EXPECT_THAT(Listed(Path("app.tar"), manifest["layers"][3]["digest"]),
              ElementsAre("Files/", "Files/app/", "Files/app/app.exe", "Hives/"));
  EXPECT_THAT(
      Listed(Path("app.tar"), manifest["layers"][4]["digest"]),
      ElementsAre("Files/", "Files/app/", "Files/app/data/", "Files/app/data/a.txt", "Hives/"));
  EXPECT_THAT(Layer(Path("app.tar"), manifest["layers"][3]["digest"]),
              AllOf(HasSubstr("MSWINDOWS.fileattr=16\n"), HasSubstr("MSWINDOWS.fileattr=32\n"),
                    HasSubstr("MSWINDOWS.rawsd=AQAEgBQ")));
  EXPECT_THAT(Execute({"tar", "-xOf", Path("app.tar"), "index.json"}).out,
              HasSubstr(R"("os.version":"10.0.20348.2700")"));
  EXPECT_THAT(Execute({"tar", "-tf", Path("app.tar")}).out,
              Not(HasSubstr(manifest["layers"][0]["digest"].get<std::string>().substr(7))));
}

TEST_F(WindowsTest, ComesBackAsItWentOut) {
  WriteApp();
  Build({"--target-os", "windows", "-t", "app:1"});
  const std::string digest = Inspect("app:1")["image"]["manifest_digest"];
  ASSERT_EQ(Zlayer({"export", "-o", Path("app.tar"), "app:1"}).exit_code, 0);
  const Finished copied = Execute({"skopeo", "copy", "--insecure-policy",
                                   "oci-archive:" + Path("app.tar"), "oci:" + Path("copied:app")});
  EXPECT_EQ(copied.exit_code, 0) << copied.err;
  EXPECT_EQ(Zlayer({"export", "--format", "docker", "-o", Path("no.tar"), "app:1"}).exit_code, 1);
  StopDaemon();
  ASSERT_OK(RemoveTree(Root()));
  StartDaemon();
  ASSERT_EQ(Zlayer({"import", Path("app.tar")}).exit_code, 0);
  EXPECT_EQ(Inspect("app:1")["image"]["manifest_digest"], digest);

  // It is a base in turn, whose files can be copied as far as they are here.
  WriteContext("Dockerfile",
               "# escape=`\nFROM app:1\nCOPY --from=app:1 C:\\app\\app.exe C:\\copy.exe\n");
  const std::vector<Json> events = Build({"--target-os", "windows", "-t", "app:2"});
  EXPECT_THAT(Rules(events), ElementsAre("LayerNotRead"));
  WriteContext("Dockerfile", "FROM scratch\nCOPY --from=app:1 /Windows/explorer.exe /\n");
  EXPECT_THAT(Failure(Build({"--target-os", "windows"}, 1)).dump(),
              HasSubstr("is not distributed and not here"));
}

TEST_F(WindowsTest, IsPushedWithoutWhatIsNotDistributed) {
  WriteApp();
  ASSERT_OK(WriteFileAtomically(Path("other.yaml"),
                                "server: {address: '127.0.0.1:0', writable: true}\n"));
  StopDaemon();
  StartDaemon({"--config", Path("other.yaml")});
  std::string port;
  ASSERT_TRUE(WaitUntil([&] {
    const std::string log = daemon_->ErrSoFar();
    const std::string mark = "addresses=127.0.0.1:";
    const size_t at = log.find(mark);
    port = at == std::string::npos ? "" : std::to_string(atoi(log.c_str() + at + mark.size()));
    return !port.empty();
  }));
  Build({"--target-os", "windows", "-t", "app:1"});
  const std::string name = "127.0.0.1:" + port + "/pushed:1";
  const Finished pushed = Zlayer({"push", "app:1", name});
  ASSERT_EQ(pushed.exit_code, 0) << pushed.err;
  const Json manifest = Raw("docker://" + name, false);
  EXPECT_EQ(manifest["layers"][0]["urls"], Json::array({kUrl}));
  const Finished copied = Execute({"skopeo", "copy", "--insecure-policy", "--src-tls-verify=false",
                                   "docker://" + name, "oci:" + Path("pulled:1")});
  EXPECT_EQ(copied.exit_code, 0) << copied.err;
}

TEST_F(WindowsTest, LinuxBasesMeanThoseOfWindows) {
  const std::string base = "ghcr.io/blackleafdigital/zlayer/golang:1.22-windows-ltsc2025";
  ImportBase(base);
  WriteContext("Dockerfile", "FROM golang:1.22-alpine\nWORKDIR /src\n");
  const std::vector<Json> events = Build({"--target-os", "windows", "--windows-ltsc", "ltsc2025"});
  EXPECT_THAT(Rules(events), ElementsAre("WindowsBaseRewritten"));
  const Finished plan =
      Zlayer({"plan", "--target-os", "windows", "--windows-ltsc", "ltsc2025", Context()});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_THAT(plan.out + plan.err, HasSubstr(base));
}

TEST_F(WindowsTest, RunIsRefusedBeforeAnythingIsDone) {
  WriteContext("Dockerfile", "FROM "s + kBase + "\nCOPY Dockerfile /\nRUN dir\n");
  const std::vector<Json> events = Build({"--target-os", "windows"}, 1);
  const Json failure = Failure(events);
  EXPECT_EQ(failure["code"], 9);  // FAILED_PRECONDITION
  EXPECT_THAT(failure["error"].get<std::string>(),
              AllOf(HasSubstr("Dockerfile:3"), HasSubstr("hcs"), HasSubstr("host with Windows")));
  EXPECT_EQ(failure["detail"]["instruction"], "RUN dir");
  EXPECT_TRUE(Find(events, "instruction_started").is_null());
}

// A program is built on Linux, and its image is for Windows.
TEST_F(WindowsTest, AStageOfLinuxMayRun) {
  ImportBusybox();
  WriteContext("Dockerfile",
               "FROM --platform=$BUILDPLATFORM mirror.example/tools:1 AS build\n"
               "RUN echo built for $TARGETOS > /out.txt\n"
               "FROM "s +
                   kBase + "\nCOPY --from=build /out.txt C:/app/\n");
  ASSERT_EQ(Zlayer({"tag", "busybox", "mirror.example/tools:1"}).exit_code, 0);
  Build({"--platform", "windows/amd64", "-t", "app:1"});
  EXPECT_EQ(Inspect("app:1")["image"]["platform"]["os"], "windows");
}

TEST_F(WindowsTest, NanoserverHasNoPackageManager) {
  WriteContext("Dockerfile",
               "FROM mcr.example/windows/nanoserver:1\nRUN echo x && choco install y\n");
  ImportBase("mcr.example/windows/nanoserver:1");
  const Finished refused = Zlayer({"build", "--target-os", "windows", Context()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err,
              AllOf(HasSubstr("Dockerfile:2"), HasSubstr("choco"), HasSubstr("servercore")));
}

TEST_F(WindowsTest, ABaseWithoutAVersionIsRefused) {
  ImportBase("mcr.example/windows/old:1", "");
  WriteContext("Dockerfile", "FROM mcr.example/windows/old:1\nCOPY Dockerfile /\n");
  const Finished refused = Zlayer({"build", "--target-os", "windows", Context()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("Dockerfile:1"), HasSubstr("os.version")));
}

TEST_F(WindowsTest, TheProgramSaysWhatItsImageIsFor) {
  std::string program(256, '\0');
  program.replace(0, 2, "MZ").replace(0x3c, 1, "\x80").replace(0x80, 2, "PE");
  program.replace(0x84, 2, "\x64\xaa");
  WriteContext("bin/app.exe", program);
  WriteContext("Dockerfile",
               "# escape=`\nFROM scratch\nWORKDIR C:\\app\nCOPY bin C:\\app\\\n"
               "ENTRYPOINT [\"app.exe\"]\n");
  EXPECT_THAT(Rules(Build({"-t", "app:1"})), ElementsAre("TargetOsOfProgram"));
  const Json platform = Inspect("app:1")["image"]["platform"];
  EXPECT_EQ(platform["os"], "windows");
  EXPECT_EQ(platform["architecture"], "arm64");
  EXPECT_EQ(platform.value("os_version", ""), "");
  // The request wins.
  Build({"--target-os", "linux", "-t", "app:2"});
  EXPECT_EQ(Inspect("app:2")["image"]["platform"]["os"], "linux");

  WriteContext("bin/app.exe", "\xcf\xfa\xed\xfe\x0c\0\0\1"s);
  EXPECT_THAT(Failure(Build({}, 1))["error"].get<std::string>(),
              AllOf(HasSubstr("bin/app.exe"), HasSubstr("darwin")));
}

// On stand-ins for Microsoft's images.
TEST_F(WindowsTest, ItsTemplatesAreBuilt) {
  WriteContext("app.exe", "MZ");
  for (const std::string name : {"nanoserver", "servercore"}) {
    ImportBase("mcr.microsoft.com/windows/" + name + ":ltsc2022");
    ImportBase("mcr.microsoft.com/windows/" + name + ":ltsc2025", "10.0.26100.1742");
    const Finished check = Zlayer({"check", "--runtime", name, Context()});
    EXPECT_EQ(check.out, "runtime:windows-" + name + ": no finding\n") << check.err;
    const Finished plan = Zlayer({"plan", "--runtime", name, Context()});
    EXPECT_THAT(plan.out, AllOf(HasSubstr("COPY . ."), HasSubstr("USER ContainerUser")))
        << plan.err;

    Build({"--runtime", name, "-t", "app:1"});
    EXPECT_THAT(Zlayer({"inspect", "app:1"}).out,
                AllOf(HasSubstr("windows/amd64 "s + kVersion), HasSubstr("app.exe")));
    Build({"--runtime", name, "--windows-ltsc", "ltsc2025", "-t", "app:2"});
    EXPECT_THAT(Zlayer({"inspect", "app:2"}).out, HasSubstr("windows/amd64 10.0.26100.1742"));
    WriteContext("ZImagefile", "runtime: windows-" + name + "\nenv: {A: b}\n");
    Build({"-t", "app:3"});
    EXPECT_THAT(Zlayer({"inspect", "app:3"}).out, HasSubstr("windows/amd64 "s + kVersion));
  }
}

}  // namespace
}  // namespace zlayer::e2e
