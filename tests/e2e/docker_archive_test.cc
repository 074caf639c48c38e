// Docker archives in and out, with skopeo, and images and their names beyond one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DockerArchiveTest : public BusyboxTest {
 protected:
  void BuildImage(const std::string& tag, const std::string& content) {
    WriteContext("Dockerfile",
                 "FROM busybox\nRUN echo x > /x\nCOPY file /\nCMD [\"cat\", \"/x\"]\n");
    WriteContext("file", content);
    Build({"-t", tag});
  }

  // Done, with nothing on standard error.
  std::string Ok(const std::vector<std::string>& arguments) {
    const Finished finished = Zlayer(arguments);
    EXPECT_EQ(finished.exit_code, 0) << arguments[0] << ": " << finished.err;
    return finished.out;
  }

  Json Inspect(const std::string& reference) {
    return Json::parse(Ok({"inspect", "--format", "json", reference}), nullptr, false);
  }
  std::string ConfigDigest(const std::string& reference) {
    return Inspect(reference)["image"]["config_digest"];
  }

  std::vector<std::string> Names(std::vector<std::string> more = {}) {
    std::vector<std::string> command = {"images", "--format", "json"};
    command.insert(command.end(), more.begin(), more.end());
    std::vector<std::string> names;
    for (const Json& image : ParseEvents(Ok(command))) {
      names.push_back(image["familiar_name"]);
    }
    return names;
  }

  Finished Shell(const std::string& script) {
    return Execute({"sh", "-ec", script, "sh", directory_.path()});
  }
  Finished Skopeo(const std::string& from, const std::string& to,
                  std::vector<std::string> flags = {}) {
    std::vector<std::string> command = {"skopeo", "copy", "--insecure-policy"};
    command.insert(command.end(), flags.begin(), flags.end());
    command.insert(command.end(), {from, to});
    return Execute(command);
  }
};

TEST_F(DockerArchiveTest, SkopeoReadsWhatIsExported) {
  BuildImage("small:1", "1");
  Ok({"tag", "small:1", "quay.io/team/small:2"});
  Ok({"export", "--format", "docker", "-o", Path("out.tar"), "quay.io/team/small:2", "small:1",
      "busybox"});
  Ok({"export", "--format", "docker", "-o", Path("again.tar"), "busybox", "small:1",
      "quay.io/team/small:2"});
  EXPECT_EQ(Execute({"cmp", Path("out.tar"), Path("again.tar")}).exit_code, 0);
  for (const char* name : {"small:1", "quay.io/team/small:2", "busybox:latest"}) {
    const Finished config = Execute({"skopeo", "inspect", "--config", "--raw",
                                     "docker-archive:" + Path("out.tar") + ":" + name});
    ASSERT_EQ(config.exit_code, 0) << config.err;
    EXPECT_EQ("sha256:" + Execute({"sha256sum"}, config.out).out.substr(0, 64), ConfigDigest(name));
    const Finished copied = Skopeo("docker-archive:" + Path("out.tar") + ":" + name,
                                   "dir:" + Path(std::string("dir-") + name[0]));
    EXPECT_EQ(copied.exit_code, 0) << copied.err;
  }
}

TEST_F(DockerArchiveTest, WhatSkopeoWritesIsImportedInEveryCompression) {
  BuildImage("small:1", "1");
  const std::string digest = ConfigDigest("small:1");
  Ok({"export", "-o", Path("oci.tar"), "small:1"});
  const Finished copied = Skopeo("oci-archive:" + Path("oci.tar"),
                                 "docker-archive:" + Path("docker.tar") + ":from:skopeo");
  ASSERT_EQ(copied.exit_code, 0) << copied.err;
  ASSERT_EQ(Shell("cd \"$1\"; for c in gzip bzip2 xz zstd; do $c < docker.tar > docker.$c; done")
                .exit_code,
            0);
  EXPECT_THAT(Ok({"import", Path("docker.tar")}), HasSubstr("docker.io/library/from:skopeo"));
  const std::string manifest = Inspect("from:skopeo")["image"]["manifest_digest"];
  // Its layers are those that the store wrote, so the manifest is the same as well.
  EXPECT_EQ(manifest, Inspect("small:1")["image"]["manifest_digest"]);
  EXPECT_EQ(ConfigDigest("from:skopeo"), digest);
  for (const char* compression : {"gzip", "bzip2", "xz", "zstd"}) {
    Ok({"import", Path(std::string("docker.") + compression), compression});
    EXPECT_EQ(Inspect(compression)["image"]["manifest_digest"], manifest);
  }
  EXPECT_THAT(Inspect("gzip")["references"].dump(), HasSubstr("library/zstd:latest"));
  EXPECT_THAT(Ok({"inspect", "gzip"}),
              HasSubstr("docker.io/library/xz:latest"));
  WriteContext("Dockerfile", "FROM from:skopeo\nRUN test \"$(cat /x)\" = x && test -f /file\n");
  Build();
}

// As Docker wrote archives until version 25: a directory a layer, equal layers as links; then with
// layers that are compressed within.
TEST_F(DockerArchiveTest, OldLayoutsAndCompressedLayers) {
  BuildImage("small:1", "1");
  BuildImage("small:2", "2");
  Ok({"export", "--format", "docker", "-o", Path("new.tar"), "small:1", "small:2"});
  const std::string first = ConfigDigest("small:1");
  const std::string second = ConfigDigest("small:2");
  const Finished made = Shell(R"sh(
    mkdir "$1/old" && cd "$1/old" && tar -xf ../new.tar
    for layer in *.tar; do
      id=$(echo "$layer" | sha256sum | cut -c 1-64)
      mkdir "$id" "$id-again"; echo 1.0 > "$id/VERSION"; echo '{}' > "$id/json"
      mv "$layer" "$id/layer.tar"; ln -s "../$id/layer.tar" "$id-again/layer.tar"
      sed -i "s,$layer,$id-again/layer.tar,g" manifest.json
    done
    echo '{}' > repositories
    tar -cf ../old.tar -- */ *.json repositories
    for layer in */layer.tar; do test -L "$layer" || { gzip -n "$layer" && mv "$layer.gz" "$layer"; }; done
    tar -cf - -- * | xz -0 > ../packed.tar.xz
  )sh");
  ASSERT_EQ(made.exit_code, 0) << made.err;
  for (const char* name : {"small:1", "small:2"}) {
    Ok({"rmi", name});
  }
  for (const char* archive : {"old.tar", "packed.tar.xz"}) {
    const std::string out = Ok({"import", Path(archive)});
    EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2) << out;
    EXPECT_EQ(ConfigDigest("small:1"), first);
    EXPECT_EQ(ConfigDigest("small:2"), second);
    Ok({"rmi", "small:1", "small:2"});
  }
}

TEST_F(DockerArchiveTest, CompressedLayersAreExportedAsTars) {
  BuildImage("small:1", "1");
  Ok({"export", "-o", Path("oci.tar"), "small:1"});
  const Finished copied =
      Skopeo("oci-archive:" + Path("oci.tar"), "oci-archive:" + Path("packed.tar") + ":packed:1",
             {"--dest-compress", "--dest-compress-format", "zstd"});
  ASSERT_EQ(copied.exit_code, 0) << copied.err;
  Ok({"import", Path("packed.tar"), "packed:1"});
  Ok({"export", "--format", "docker", "-o", Path("plain.tar"), "packed:1"});
  const Finished checked = Shell(
      "cd \"$1\" && mkdir plain && tar -C plain -xf plain.tar && cd plain && "
      "for f in *.tar; do echo \"${f%.tar}  $f\"; done | sha256sum -c >&2 && "
      "for f in [0-9a-f]*.json; do echo \"${f%.json}  $f\"; done | sha256sum -c >&2");
  EXPECT_EQ(checked.exit_code, 0) << checked.err;
  Ok({"import", Path("plain.tar"), "plain:1"});
  EXPECT_EQ(ConfigDigest("plain:1"), ConfigDigest("packed:1"));
}

TEST_F(DockerArchiveTest, SeveralImagesInALayout) {
  BuildImage("small:1", "1");
  BuildImage("small:2", "2");
  Ok({"export", "--format", "oci-layout", "-o", Path("layout"), "small:1", "small:2", "busybox"});
  const Finished listed = Execute({"umoci", "ls", "--layout", Path("layout")});
  EXPECT_EQ(listed.exit_code, 0) << listed.err;
  Ok({"rmi", "small:1", "small:2"});
  const std::string out = Ok({"import", Path("layout")});
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 3) << out;
  EXPECT_THAT(Names(), ElementsAre("busybox:latest", "small:1", "small:2"));
}

TEST_F(DockerArchiveTest, ListsByPatternAndWithoutNames) {
  BuildImage("app:1", "1");
  BuildImage("app:2", "2");
  Ok({"tag", "app:1", "registry.example/team/app:1"});
  Ok({"tag", "app:2", "app:1"});
  EXPECT_THAT(Names(),
              ElementsAre("app:1", "app:2", "busybox:latest", "registry.example/team/app:1"));
  EXPECT_THAT(Names({"app"}), ElementsAre("app:1", "app:2"));
  EXPECT_THAT(Names({"*:1"}), ElementsAre("app:1"));
  EXPECT_THAT(Names({"registry.example/*/*"}), ElementsAre("registry.example/team/app:1"));
  EXPECT_THAT(Names({"--nameless"}), IsEmpty());
  EXPECT_THAT(Ok({"untag", "registry.example/team/app:1"}), HasSubstr("<none>"));
  EXPECT_THAT(Names({"--nameless"}), ElementsAre(""));
  EXPECT_THAT(Ok({"images"}), HasSubstr("\n<none>"));
  const Finished broken = Zlayer({"images", "a["});
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_THAT(broken.err, HasSubstr("a["));
  const Finished none = Zlayer({"untag", "registry.example/team/app:1"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("registry.example/team/app:1"));
}

TEST_F(DockerArchiveTest, RemovesEachAndSaysWhatItCouldNot) {
  BuildImage("app:1", "1");
  Ok({"tag", "app:1", "app:2"});
  Ok({"tag", "app:1", "app:3"});
  const std::string digest = Inspect("app:1")["image"]["manifest_digest"];
  const Finished some = Zlayer({"rmi", "none:1", "app:3", "none:2"});
  EXPECT_EQ(some.exit_code, 1);
  EXPECT_EQ(some.out, "untagged docker.io/library/app:3\n");
  EXPECT_THAT(some.err, HasSubstr("2 of 3 were not removed: image \"none:1\""));
  EXPECT_EQ(std::count(some.err.begin(), some.err.end(), '\n'), 1);
  const Finished several = Zlayer({"rmi", digest});
  EXPECT_EQ(several.exit_code, 1);
  EXPECT_THAT(several.err,
              HasSubstr("has 2 names (docker.io/library/app:1, docker.io/library/app:2)"));
  EXPECT_THAT(Names({"app"}), ElementsAre("app:1", "app:2"));
  EXPECT_EQ(Ok({"rmi", "--force", digest}),
            "untagged docker.io/library/app:1\nuntagged docker.io/library/app:2\nremoved " +
                digest + "\n");
  // What the removed image shares with others is whole.
  BuildImage("app:1", "1");
  Ok({"export", "-o", Path("busybox.tar"), "busybox"});
}

TEST_F(DockerArchiveTest, BrokenArchivesAreRefusedAndLeaveNothing) {
  BuildImage("small:1", "1");
  Ok({"export", "--format", "docker", "-o", Path("good.tar"), "small:1"});
  Ok({"rmi", "small:1"});
  const std::string files_before = Shell("cd \"$1/root\" && find blobs packs indexes | sort").out;
  const std::vector<std::string> names_before = Names();
  const Finished made = Shell(R"sh(
    mkdir "$1/x" && cd "$1/x" && tar -xf ../good.tar
    head -c 700000 ../good.tar > ../cut.tar
    gzip < ../good.tar | head -c 300000 > ../cut.tar.gz
    layer=$(ls *.tar | head -n 1); cp "$layer" ../saved
    printf X | dd of="$layer" bs=1 seek=1500 conv=notrunc 2>/dev/null; tar -cf ../changed.tar *; cp ../saved "$layer"
    tar -cf ../missing.tar --exclude "$layer" *
    ln -sf /etc/passwd "$layer"; tar -cf ../link.tar *
    ln -sf ../../../etc/passwd "$layer"; tar -cf ../above.tar *; cp --remove-destination ../saved "$layer"
    sed 's/"Layers":\["[^"]*"/"Layers":["..\/..\/etc\/passwd"/' -i manifest.json; tar -cf ../path.tar *
    head -c 5000000 /dev/zero | tr '\0' ' ' > manifest.json; tar -cf ../huge.tar *
    echo '[{"Config":"a"},' > manifest.json; tar -cf ../json.tar *
  )sh");
  ASSERT_EQ(made.exit_code, 0) << made.err;
  for (const char* name : {"cut.tar", "cut.tar.gz", "changed.tar", "missing.tar", "link.tar",
                           "above.tar", "path.tar", "huge.tar", "json.tar"}) {
    const Finished refused = Zlayer({"import", Path(name), "broken"});
    EXPECT_EQ(refused.exit_code, 1) << name;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
    EXPECT_EQ(Shell("cd \"$1/root\" && find blobs packs indexes | sort").out, files_before) << name;
  }
  EXPECT_EQ(Names(), names_before);
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

}  // namespace
}  // namespace zlayer::e2e
