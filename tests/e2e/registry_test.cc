// Images from and to registries, with Debian's docker-registry, skopeo, and the daemon's own /v2/.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kDockerRegistry[] = "/usr/bin/docker-registry";

// The number behind the first occurrence of `text` in what `log` returns, which comes to be there.
template <typename Log>
std::string NumberAfter(const std::string& text, Log log) {
  std::string found;
  EXPECT_TRUE(WaitUntil([&] {
    const std::string content = log();
    const size_t at = content.find(text);
    if (at == std::string::npos) {
      return false;
    }
    const size_t begin = at + text.size();
    const size_t end = content.find_first_not_of("0123456789", begin);
    found = content.substr(begin, end - begin);
    return end != std::string::npos && end > begin;
  })) << text;
  return found;
}

class RegistryTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    struct stat info;
    if (stat(kDockerRegistry, &info) != 0) {
      GTEST_SKIP() << "docker-registry is not installed";
    }
    StartRegistry();
    Serve("");
    ImportBusybox();
  }

  // Debian's registry on a port of loopback.
  void StartRegistry() {
    ASSERT_OK(WriteFileAtomically(
        Path("registry.yml"),
        "version: 0.1\nlog: {level: info}\nstorage:\n  filesystem: {rootdirectory: " +
            Path("registry") + "}\n  delete: {enabled: true}\nhttp: {addr: '127.0.0.1:0'}\n"));
    registry_ = std::make_unique<Process>(
        std::vector<std::string>{"sh", "-c",
                                 "exec " + std::string(kDockerRegistry) + " serve " +
                                     Path("registry.yml") + " >" + Path("registry.log") + " 2>&1"});
    host_ = "127.0.0.1:" + NumberAfter("listening on 127.0.0.1:", [this] {
              return ReadFile(Path("registry.log"), size_t{16} << 20).value_or("");
            });
  }

  // The daemon with these lines in its configuration, and /v2/ that can be written to.
  void Serve(const std::string& more) {
    StopIfRunning();
    ASSERT_OK(WriteFileAtomically(Path("zlayerd.yaml"),
                                  "server: {address: '127.0.0.1:0', writable: true}\n" + more));
    StartDaemon({"--config", Path("zlayerd.yaml")});
  }

  void StopIfRunning() {
    if (daemon_ != nullptr) {
      StopDaemon();
    }
  }

  // Where the daemon serves /v2/.
  std::string ServerPort() const {
    return NumberAfter("addresses=127.0.0.1:", [this] { return daemon_->ErrSoFar(); });
  }

  std::string BuildSmall(const std::string& tag) {
    WriteContext("Dockerfile", "FROM busybox\nRUN seq 100000 > /numbers\nCOPY file /\nENV A=b\n");
    WriteContext("file", "content of " + tag);
    return Find(Build({"-t", tag}), "build_complete").value("manifest_digest", "");
  }

  size_t Requests(const std::string& text) const {
    const auto log = ReadFile(Path("registry.log"), size_t{64} << 20);
    size_t count = 0;
    for (size_t at = log.ok() ? log->find(text) : std::string::npos; at != std::string::npos;
         at = log->find(text, at + 1)) {
      ++count;
    }
    return count;
  }

  void Forget(const std::vector<std::string>& references) {
    for (const std::string& reference : references) {
      EXPECT_EQ(Zlayer({"rmi", "--force", reference}).exit_code, 0) << reference;
    }
  }

  std::unique_ptr<Process> registry_;
  std::string host_;
};

TEST_F(RegistryTest, ARegistryThatOthersCanWriteToIsWarnedOf) {
  const std::string warning = "whoever reaches the registry may push and delete images";
  for (const auto& [server, warned] :
       std::vector<std::pair<std::string, bool>>{{"address: '0.0.0.0:0', writable: true", true},
                                                 {"address: '0.0.0.0:0'", false},
                                                 {"address: '0', writable: true", false}}) {
    StopIfRunning();
    ASSERT_OK(WriteFileAtomically(Path("zlayerd.yaml"), "server: {" + server + "}\n"));
    StartDaemon({"--config", Path("zlayerd.yaml")});
    const std::string log = daemon_->ErrSoFar();
    EXPECT_THAT(log, HasSubstr("serving images"));
    EXPECT_EQ(log.find(warning) != std::string::npos, warned) << server << "\n" << log;
  }
}

TEST_F(RegistryTest, WhatIsPushedIsPulledAgain) {
  BuildSmall("app:1");
  const std::string name = host_ + "/team/app:1";
  const Finished pushed = Zlayer({"push", "--compression", "gzip", "-q", "app:1", name});
  ASSERT_EQ(pushed.exit_code, 0) << pushed.err;
  EXPECT_THAT(pushed.out, HasSubstr(name + "  sha256:"));
  const std::string digest = pushed.out.substr(pushed.out.find("sha256:"), 71);

  // skopeo reads what is there.
  const Finished inspected =
      Execute({"skopeo", "inspect", "--tls-verify=false", "docker://" + name});
  ASSERT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_EQ(Json::parse(inspected.out)["Digest"], digest);

  // A second push sends nothing.
  const Finished again = Zlayer({"push", "--compression", "gzip", "app:1", host_ + "/team/app:2"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_THAT(again.err, AllOf(HasSubstr("was there already"), Not(HasSubstr("  done\nlayer"))));

  StopDaemon();
  ASSERT_OK(RemoveTree(Root()));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  const Finished pulled = Zlayer({"pull", "-q", name});
  ASSERT_EQ(pulled.exit_code, 0) << pulled.err;
  EXPECT_EQ(pulled.out, name + "  " + digest + "\n");
  WriteContext("Dockerfile", "FROM " + name + "\nRUN test \"$(tail -n 1 /numbers)\" = 100000\n");
  Build();
}

TEST_F(RegistryTest, ABaseIsPulledAsFarAsItIsNeeded) {
  BuildSmall("app:1");
  const std::string name = host_ + "/app:1";
  ASSERT_EQ(Zlayer({"push", "app:1", name}).exit_code, 0);
  Forget({"app:1"});
  StopDaemon();
  ASSERT_OK(RemoveTree(Root()));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  const size_t blobs = Requests("\"GET /v2/app/blobs/");
  WriteContext("Dockerfile", "FROM " + name + "\nENV X=y\n");
  Build({"-t", "derived"});
  EXPECT_EQ(Requests("\"GET /v2/app/blobs/") - blobs, 1);  // its configuration
  WriteContext("Dockerfile", "FROM " + name + "\nCOPY file /other\nRUN cat /other /numbers\n");
  Build();
  EXPECT_EQ(Requests("\"GET /v2/app/blobs/") - blobs, 4);
  EXPECT_EQ(Requests("\"GET /v2/app/manifests/1"), 1);
  // The image on a base whose layers were never here is whole all the same.
  ASSERT_EQ(Zlayer({"export", "-o", Path("derived.tar"), "derived"}).exit_code, 0);
}

TEST_F(RegistryTest, LayersThatOnlyARegistryHasAreServed) {
  BuildSmall("app:1");
  const std::string name = host_ + "/app:1";
  ASSERT_EQ(Zlayer({"push", "--compression", "gzip", "app:1", name}).exit_code, 0);
  StopDaemon();
  ASSERT_OK(RemoveTree(Root()));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  WriteContext("Dockerfile", "FROM " + name + "\nENV X=y\n");
  Build({"-t", "derived"});
  const std::string ours = "docker://127.0.0.1:" + ServerPort() + "/derived";
  const size_t before = Requests("\"GET /v2/app/blobs/");
  for (const char* to : {"once", "twice"}) {
    const Finished copied = Execute(
        {"skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", ours, "oci:" + Path(to)});
    EXPECT_EQ(copied.exit_code, 0) << copied.err;
    EXPECT_EQ(Requests("\"GET /v2/app/blobs/") - before, 3);  // the base's layers, once each
  }
  Build({"-t", "derived"});
  registry_.reset();
  EXPECT_EQ(Zlayer({"export", "-o", Path("derived.tar"), "derived"}).exit_code, 0);
}

TEST_F(RegistryTest, LayersOfARegistryThatIsGoneAreMissed) {
  BuildSmall("app:1");
  const std::string name = host_ + "/app:1";
  ASSERT_EQ(Zlayer({"push", "app:1", name}).exit_code, 0);
  StopDaemon();
  ASSERT_OK(RemoveTree(Root()));
  StartDaemon({"--config", Path("zlayerd.yaml")});
  WriteContext("Dockerfile", "FROM " + name + " AS app\nENV X=y\n");
  Build({"-t", "derived"});
  registry_.reset();
  // The exit code of a daemon that is not there is another.
  const Finished exported = Zlayer({"export", "-o", Path("derived.tar"), "derived"});
  EXPECT_EQ(exported.exit_code, 1);
  EXPECT_THAT(exported.err, HasSubstr(host_));
  WriteContext("Dockerfile", "FROM " + name + " AS app\nCOPY file /other\n");
  const Json failed = Find(Build({}, 1), "build_failed");
  EXPECT_EQ(failed["code"], 9) << failed;
  EXPECT_EQ(failed["detail"]["reason"], "REGISTRY_UNAVAILABLE");
  EXPECT_EQ(failed["detail"]["stage"], "app");
  EXPECT_EQ(failed["detail"]["source"]["first_line"], 1);
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

TEST_F(RegistryTest, ABuildPushesAndReportsWhatIsThere) {
  WriteContext("Dockerfile", "FROM busybox\nRUN echo x > /x\n");
  const std::string name = host_ + "/built:1";
  const Json complete = Find(
      Build({"-t", name, "--output", "type=image,push=true,compression=zstd"}), "build_complete");
  const Finished raw =
      Execute({"skopeo", "inspect", "--raw", "--tls-verify=false", "docker://" + name});
  ASSERT_EQ(raw.exit_code, 0) << raw.err;
  EXPECT_EQ("sha256:" + Execute({"sha256sum"}, raw.out).out.substr(0, 64),
            complete["manifest_digest"]);
  EXPECT_THAT(raw.out, HasSubstr("tar+zstd"));
  registry_.reset();
  EXPECT_THAT(Find(Build({"-t", name, "--push"}, 1), "build_failed").value("error", ""),
              HasSubstr(host_));
}

TEST_F(RegistryTest, CopiesAndIndexes) {
  BuildSmall("app:1");
  ASSERT_EQ(Zlayer({"manifest", "create", "all:1", "app:1"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"manifest", "push", "-q", "all:1", host_ + "/all:1"}).exit_code, 0);
  const Finished copied = Zlayer({"copy", "-q", host_ + "/all:1", host_ + "/copied:2"});
  ASSERT_EQ(copied.exit_code, 0) << copied.err;
  const Finished local = Zlayer({"manifest", "inspect", "all:1"});
  const Finished remote = Zlayer({"manifest", "inspect", "--remote", host_ + "/copied:2"});
  ASSERT_EQ(remote.exit_code, 0) << remote.err;
  EXPECT_EQ(local.out, remote.out);
  EXPECT_THAT(remote.out, HasSubstr("image.index.v1+json"));
}

TEST_F(RegistryTest, ALoginIsCheckedAndStored) {
  setenv("DOCKER_CONFIG", Path("docker").c_str(), 1);
  const Finished stored = Zlayer({"login", host_, "-u", "me", "--password-stdin"}, "secret\n");
  EXPECT_EQ(stored.exit_code, 0) << stored.err;
  EXPECT_THAT(ReadFile(Path("docker/config.json"), 1000).value_or(""), HasSubstr("bWU6c2VjcmV0"));
  const Finished nowhere = Zlayer({"login", "127.0.0.1:1", "-u", "me", "--password-stdin"}, "x");
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("127.0.0.1:1"));
  unsetenv("DOCKER_CONFIG");
}

TEST_F(RegistryTest, WhatIsNotThereIsSaid) {
  const Finished pulled = Zlayer({"pull", host_ + "/nothing:1"});
  EXPECT_EQ(pulled.exit_code, 1);
  EXPECT_THAT(pulled.err, AllOf(HasSubstr("nothing"), HasSubstr(host_)));
  const Finished pushed = Zlayer({"push", "nothing:1", host_ + "/nothing:1"});
  EXPECT_EQ(pushed.exit_code, 1);
  Serve("registries: [{name: docker.io, blocked: true}]\n");
  WriteContext("Dockerfile", "FROM nosuch/image\n");
  const Finished built = Zlayer({"build", Context()});
  EXPECT_EQ(built.exit_code, 1);
  EXPECT_THAT(built.err, AllOf(HasSubstr("nosuch/image"), HasSubstr("blocks the registry")));
}

TEST_F(RegistryTest, OthersPullFromAndPushToTheDaemon) {
  BuildSmall("app:1");
  const std::string port = ServerPort();
  const std::string ours = "docker://127.0.0.1:" + port;
  ASSERT_EQ(Execute({"skopeo", "copy", "--insecure-policy", "--src-tls-verify=false",
                     ours + "/app:1", "oci:" + Path("pulled")})
                .exit_code,
            0);
  const Finished copied = Execute({"skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false",
                                   "oci:" + Path("pulled"), ours + "/pushed:2"});
  ASSERT_EQ(copied.exit_code, 0) << copied.err;
  WriteContext("Dockerfile", "FROM pushed:2\nRUN test -s /numbers && test -f /file\n");
  Build();
  const Finished tags = Execute({"skopeo", "list-tags", "--tls-verify=false", ours + "/pushed"});
  EXPECT_EQ(Json::parse(tags.out)["Tags"], Json({"2"}));
}

// A program of tests/conformance.
std::string Script(const std::string& name) {
  const char* source = getenv("TEST_SRCDIR");
  return std::string(source == nullptr ? "" : source) + "/zlayer/tests/conformance/" + name;
}

TEST_F(RegistryTest, WhatIsMadeKeepsTheSchemasAndOthersReadIt) {
  WriteContext("Dockerfile",
               "FROM busybox\nRUN echo x > /x\nENV A=b\nLABEL k=v\nEXPOSE 80/tcp\nVOLUME /v\n"
               "USER 1:2\nWORKDIR /w\nSTOPSIGNAL SIGINT\nENTRYPOINT [\"sh\"]\nCMD [\"-c\", \"x\"]\n"
               "HEALTHCHECK CMD true\nONBUILD RUN true\nSHELL [\"/bin/sh\", \"-c\"]\n");
  Build({"-t", "full:1", "--annotation", "a=b"});
  ASSERT_EQ(
      Zlayer({"export", "--format", "oci-layout", "-o", Path("exported"), "full:1"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"manifest", "create", "--annotation", "a=b", "all:1", "full:1"}).exit_code, 0);
  std::vector<std::string> layouts = {Path("exported")};
  for (const char* compression : {"gzip", "zstd"}) {
    const std::string name = host_ + "/all:" + compression;
    ASSERT_EQ(Zlayer({"push", "--compression", compression, "all:1", name}).exit_code, 0);
    const Finished copied =
        Execute({"skopeo", "copy", "--all", "--insecure-policy", "--src-tls-verify=false",
                 "docker://" + name, "oci:" + Path(compression)});
    ASSERT_EQ(copied.exit_code, 0) << copied.err;
    layouts.push_back(Path(compression));
  }
  std::vector<std::string> command = {"python3", Script("schemas.py")};
  command.insert(command.end(), layouts.begin(), layouts.end());
  const Finished checked = Execute(command);
  if (checked.exit_code == 77) {
    GTEST_SKIP() << "golang-github-opencontainers-image-spec-dev or python3-jsonschema is missing";
  }
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  EXPECT_THAT(checked.out, AllOf(HasSubstr("PASS config-schema.json"),
                                 HasSubstr("PASS image-manifest-schema.json")));
  const Finished tool = Execute({"oci-image-tool", "validate", "--type", "image", Path("gzip")});
  EXPECT_EQ(tool.exit_code, 0) << tool.out << tool.err;
}

TEST_F(RegistryTest, TheServerKeepsTheSpecification) {
  const Finished checked =
      Execute({"python3", Script("distribution.py"), "http://127.0.0.1:" + ServerPort()});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  EXPECT_THAT(checked.out, Not(HasSubstr("FAIL")));
}

}  // namespace
}  // namespace zlayer::e2e
