// Options of a build that change the image, or how its commands run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";

class OptionsTest : public BusyboxTest {
 protected:
  std::string BuildFails(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"build", "--progress", "plain"});
    arguments.push_back(Context());
    const Finished finished = Zlayer(arguments);
    EXPECT_EQ(finished.exit_code, 1) << finished.out;
    return finished.out + finished.err;
  }

  Json Complete(const std::vector<std::string>& arguments) {
    return Find(Build(arguments), "build_complete");
  }

  // Unpacks the image, and lists its tree: type, mode, owner, links, size, device, time, target and
  // content of each path, and the xattr that the tests set.
  std::string Tree(const std::string& reference) {
    const std::string layout = Path("layout-" + reference);
    EXPECT_EQ(Zlayer({"export", "--format", "oci-layout", "-o", layout, reference}).exit_code, 0);
    const Finished unpacked =
        Execute({"umoci", "unpack", "--image", layout + ":latest", Path("bundle-" + reference)});
    EXPECT_EQ(unpacked.exit_code, 0) << unpacked.err;
    const Finished listed =
        Execute({"sh", "-ec",
                 "cd \"$1/rootfs\"; find . -printf '%p %y %m %U:%G %n %s %T@ %l\\n' | sort;"
                 "find . -type f | sort | xargs -d '\\n' sha256sum;"
                 "find . -type c -o -type b | sort | xargs -r stat -c '%n %t:%T';"
                 "python3 -c 'import os; print(os.listxattr(\"d/attr\"), os.getxattr(\"d/attr\", "
                 "\"user.note\"))'",
                 "sh", Path("bundle-" + reference)});
    EXPECT_EQ(listed.exit_code, 0) << listed.err;
    return listed.out;
  }

  Json Document(const std::string& reference, const std::string& kind) {
    const Finished found = Execute(
        {"sh", "-c",
         "cat $(grep -rl '^{.*\"" + kind + "\"' " + Path("layout-" + reference) + "/blobs)"});
    return Json::parse(found.out, nullptr, false);
  }

  // What a busybox cannot make.
  void ImportOddBase() {
    ImportBusybox("odd:latest", R"(
      mkdir -m 0750 d gone hollow
      echo base > d/kept; echo base > d/removed; echo base > gone/x; echo base > hollow/x
      echo note > d/attr; python3 -c 'import os; os.setxattr("d/attr", "user.note", b"hello")'
      echo linked > one; ln one two; ln one d/three
      mknod d/null c 1 3; mkfifo d/pipe; chown -R 7:8 d)");
    WriteContext("Dockerfile",
                 "FROM odd\n"
                 "RUN rm -r d/removed gone hollow one && mkdir hollow && echo new > hollow/y\n"
                 "WORKDIR /w/deep\n"
                 "COPY --chown=3:4 file /d/copied\n"
                 "RUN echo a > /a && ln /a /b && ln /a /c && ln -s a l && chmod 0711 /d\n"
                 "RUN rm /a && mkdir /gone && touch -d @1600000000 /gone/again\n"
                 "HEALTHCHECK --interval=5s CMD true\nCMD [\"cat\", \"/b\"]\n");
    WriteContext("file", "content");
  }
};

TEST_F(OptionsTest, ASquashedImageIsTheSameTree) {
  ImportOddBase();
  Complete({"-t", "plain"});
  const Json squashed = Complete({"-t", "squashed", "--squash"});
  const Json merged = Complete({"-t", "merged", "--no-layers"});
  EXPECT_EQ(squashed.value("layer_count", 0), 1);
  EXPECT_EQ(merged.value("layer_count", 0), 2);
  const std::string tree = Tree("plain");
  EXPECT_THAT(tree, HasSubstr("./d/null c "));
  EXPECT_THAT(tree, HasSubstr("b'hello'"));
  EXPECT_EQ(Tree("squashed"), tree);
  EXPECT_EQ(Tree("merged"), tree);

  const Json config = Document("squashed", "rootfs");
  EXPECT_THAT(config["rootfs"]["diff_ids"], SizeIs(1));
  EXPECT_TRUE(config["config"].contains("Healthcheck"));
  size_t layers = 0;
  for (const Json& entry : config["history"]) {
    layers += entry.value("empty_layer", false) ? 0 : 1;
  }
  EXPECT_EQ(layers, 1u);
  EXPECT_THAT(config["history"].back().value("created_by", ""), HasSubstr("put together"));
  EXPECT_EQ(config["history"].size(), Document("plain", "rootfs")["history"].size() + 1);

  // On the base nothing of it is left in the one layer but what was removed.
  const Finished listed = Execute({"sh", "-c",
                                   "for f in $(grep -rla hollow/y " + Path("layout-merged") +
                                       "/blobs); do tar -tf $f 2>/dev/null; done; true"});
  EXPECT_THAT(listed.out, HasSubstr("d/.wh.removed\n"));
  EXPECT_THAT(listed.out, HasSubstr("hollow/.wh..wh..opq\n"));
  EXPECT_THAT(listed.out, HasSubstr(".wh.one\n"));
  EXPECT_THAT(listed.out, Not(HasSubstr("bin/")));

  // Again, it is the same image.
  EXPECT_EQ(Complete({"-t", "squashed", "--squash"})["manifest_digest"],
            squashed["manifest_digest"]);
  WriteContext("Dockerfile",
               "FROM squashed\nRUN [ \"$(cat /b /c)\" = \"$(printf 'a\\na')\" ] && "
               "[ ! -e /a ] && [ \"$(ls /hollow)\" = y ]\n");
  Complete({});
}

TEST_F(OptionsTest, WhatIsSquashedAlreadyStays) {
  WriteContext("Dockerfile", "FROM busybox\nENV A=b\n");
  const Json plain = Complete({"-t", "plain"});
  EXPECT_EQ(Complete({"--squash"})["image_id"], plain["image_id"]);
  EXPECT_EQ(Complete({"--no-layers"})["image_id"], plain["image_id"]);
}

TEST_F(OptionsTest, ADockerImageKeepsItsFormat) {
  WriteContext("Dockerfile", "FROM busybox\nRUN echo x > /x\nHEALTHCHECK CMD true\n");
  Complete({"-t", "docked", "--format", "docker"});
  ASSERT_EQ(Zlayer({"export", "-o", Path("docked.tar"), "docked"}).exit_code, 0);
  const Finished raw = Execute({"skopeo", "inspect", "--raw", "oci-archive:" + Path("docked.tar")});
  ASSERT_EQ(raw.exit_code, 0) << raw.err;
  const Json manifest = Json::parse(raw.out, nullptr, false);
  EXPECT_EQ(manifest["mediaType"], kDockerManifest);
  EXPECT_EQ(manifest["config"]["mediaType"], "application/vnd.docker.container.image.v1+json");
  for (const Json& layer : manifest["layers"]) {
    EXPECT_EQ(layer["mediaType"], "application/vnd.docker.image.rootfs.diff.tar");
  }
  const Finished config =
      Execute({"skopeo", "inspect", "--config", "--raw", "oci-archive:" + Path("docked.tar")});
  EXPECT_THAT(config.out, HasSubstr("Healthcheck"));
  // An image on it is what it is asked to be.
  WriteContext("Dockerfile", "FROM docked\nRUN test -f /x\n");
  Complete({"-t", "other"});
  EXPECT_THAT(BuildFails({"--format", "docker", "--annotation", "a=b"}),
              HasSubstr("annotations: "));
}

TEST_F(OptionsTest, AFailedCommandIsTriedAgain) {
  WriteContext("Dockerfile",
               "FROM busybox\n"
               "RUN --mount=type=cache,target=/c "
               "echo x >> /c/n && touch /left-$(wc -l < /c/n) && [ $(wc -l < /c/n) -ge 2 ]\n"
               "RUN [ \"$(ls -d /left-*)\" = /left-2 ]\n");
  const std::vector<Json> events = Build({"--retries", "2"});
  const Json retried = Find(events, "instruction_retried");
  EXPECT_EQ(retried.value("attempt", 0), 2);
  EXPECT_EQ(retried.value("attempts", 0), 3);
  EXPECT_EQ(retried.value("pause_seconds", 0.0), 3);
  EXPECT_THAT(retried.value("reason", ""), HasSubstr("exited with code 1"));
  // It is in no key.
  EXPECT_THAT(Executed(Build()), IsEmpty());
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

TEST_F(OptionsTest, ACancelEndsAllAttempts) {
  WriteContext("Dockerfile", "FROM busybox\nRUN false\n");
  Process build(Cli({"build", "--retries", "100", "--progress", "plain", Context()}));
  ASSERT_TRUE(WaitUntil([&] {
    return build.OutSoFar().find("attempt 2 of 101 begins in 3 s") != std::string::npos;
  }));
  build.Signal(SIGINT);
  EXPECT_EQ(build.Wait().exit_code, 130);
  EXPECT_THAT(Zlayer({"builds", "ls"}).out, HasSubstr("canceled"));
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

TEST_F(OptionsTest, EveryRunGetsTheDefaults) {
  WriteContext("Dockerfile",
               "FROM busybox\nRUN cat /c/* 2>/dev/null; echo $RANDOM > /c/n\n"
               "RUN cat /c/n > /seen && grep -q ' /c ' /proc/mounts\n"
               "RUN --mount=type=tmpfs,target=/c [ -z \"$(ls /c)\" ]\n");
  Build({"--default-cache-mount", "target=/c"});
  const std::string plan = Zlayer({"plan", "--format", "json", "--network", "host", Context()}).out;
  EXPECT_THAT(plan, HasSubstr("NETWORK_HOST"));
  EXPECT_THAT(BuildFails({"--default-cache-mount", "type=tmpfs,target=/c"}),
              HasSubstr("default_cache_mounts: "));
  WriteContext("Dockerfile", "FROM busybox\nRUN --network=none [ $(ls /sys/class/net) = lo ]\n");
  Build({"--network", "host"});
}

TEST_F(OptionsTest, AnImageForAnotherPlatformNeedsNoEmulatorUnlessItRuns) {
  WriteContext("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
  Complete({"-t", "foreign", "--platform", "linux/s390x"});
  EXPECT_THAT(Zlayer({"inspect", "--format", "json", "foreign"}).out, HasSubstr("s390x"));
  // What is compiled on the host for another machine.
  WriteContext("Dockerfile",
               "FROM --platform=$BUILDPLATFORM busybox AS tools\nARG TARGETARCH\n"
               "RUN [ $TARGETARCH = s390x ] && echo x > /x\n"
               "FROM scratch\nCOPY --from=tools /x /\n");
  Complete({"-t", "foreign", "--platform", "linux/s390x"});
  EXPECT_THAT(Zlayer({"inspect", "--format", "json", "foreign"}).out, HasSubstr("s390x"));
  // An architecture that no QEMU is called after.
  WriteContext("Dockerfile", "FROM busybox\nRUN true\n");
  EXPECT_THAT(BuildFails({"--platform", "linux/elbrus"}),
              testing::AllOf(HasSubstr("linux/elbrus"), HasSubstr("qemu-elbrus"),
                             HasSubstr("qemu-user-static")));
  EXPECT_THAT(BuildFails({"--platform", "linux/amd64,linux/arm64"}), HasSubstr("one by one"));
  EXPECT_THAT(BuildFails({"--platform", "nonsense"}), HasSubstr("platforms: "));
  EXPECT_THAT(BuildFails({"--platform", "darwin/amd64"}), HasSubstr("linux and windows"));
}

TEST_F(OptionsTest, AnUnchangedSourceBuildsNothing) {
  WriteContext("Dockerfile", "FROM busybox\nCOPY file /\nRUN date > /x\n");
  WriteContext("file", "1");
  WriteContext("other", "1");
  const Json first = Complete({"-t", "app", "--source-hash", "v1"});
  EXPECT_FALSE(first.value("unchanged", false));
  WriteContext("file", "2");
  const std::vector<Json> second = Build({"-t", "app", "-t", "more", "--source-hash", "v1"});
  EXPECT_TRUE(Find(second, "build_complete").value("unchanged", false));
  EXPECT_EQ(Find(second, "build_complete")["image_id"], first["image_id"]);
  EXPECT_TRUE(Find(second, "build_started").is_null());
  EXPECT_EQ(Zlayer({"inspect", "more"}).exit_code, 0);
  EXPECT_FALSE(Complete({"-t", "app", "--source-hash", "v2"}).value("unchanged", false));
  // Once the tag means something else, the hash does not.
  ASSERT_EQ(Zlayer({"tag", "busybox", "app"}).exit_code, 0);
  EXPECT_FALSE(Complete({"-t", "app", "--source-hash", "v2"}).value("unchanged", false));
  EXPECT_FALSE(
      Complete({"-t", "app", "--source-hash", "v2", "--no-cache"}).value("unchanged", false));
  EXPECT_THAT(BuildFails({"--source-hash", "v2"}), HasSubstr("source_hash: "));
}

TEST_F(OptionsTest, ADigestOfTheSourcesTellsWhatChanged) {
  WriteContext("Dockerfile", "FROM busybox\nCOPY file /\nRUN date > /x\n");
  WriteContext("file", "1");
  const auto unchanged = [&](std::vector<std::string> more = {}) {
    for (const char* word : {"-t", "app", "--source-hash", "auto"}) {
      more.emplace_back(word);
    }
    return Complete(more).value("unchanged", false);
  };
  EXPECT_FALSE(unchanged());
  EXPECT_TRUE(unchanged());
  // What is not selected, times, and places in the file do not count.
  WriteContext("other", "2");
  ASSERT_EQ(Execute({"touch", Context() + "/file"}).exit_code, 0);
  WriteContext("Dockerfile", "# A comment.\nFROM busybox\nCOPY file /\nRUN date > /x\n");
  EXPECT_TRUE(unchanged());
  StopDaemon();
  StartDaemon();
  EXPECT_TRUE(unchanged());
  EXPECT_THAT(
      Zlayer({"build", "--progress", "plain", "-t", "app", "--source-hash", "auto", Context()}).out,
      HasSubstr("unchanged: "));
  // These do.
  EXPECT_FALSE(unchanged({"--squash"}));
  EXPECT_FALSE(unchanged({"--label", "a=b"}));
  WriteContext("file", "2");
  EXPECT_FALSE(unchanged());
  ImportBusybox("busybox:latest", "echo changed > changed");
  EXPECT_FALSE(unchanged());
  EXPECT_TRUE(unchanged());
}

TEST_F(OptionsTest, OnlyTheNativeBackendRunsHere) {
  WriteContext("Dockerfile", "FROM busybox\n");
  Complete({"--backend", " Native "});
  EXPECT_THAT(BuildFails({"--backend", "sandbox"}), HasSubstr("needs macOS"));
  EXPECT_THAT(BuildFails({"--backend", "docker"}), HasSubstr("buildah-sidecar"));
  StopDaemon();
  ASSERT_EQ(setenv("ZLAYER_BACKEND", "hcs", 1), 0);
  StartDaemon();
  ASSERT_EQ(unsetenv("ZLAYER_BACKEND"), 0);
  EXPECT_THAT(BuildFails({}), HasSubstr("needs Windows"));
  Complete({"--backend", "native"});
}

}  // namespace
}  // namespace zlayer::e2e
