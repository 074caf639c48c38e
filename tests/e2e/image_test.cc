// Images in and out, checked with the tools that others use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ImageTest : public BusyboxTest {
 protected:
  void BuildSmallImage(const std::string& tag) {
    WriteContext("Dockerfile", "FROM busybox\nRUN echo x > /x\nCOPY file /\nCMD [\"cat\", \"/x\"]\n");
    WriteContext("file", "content");
    Build({"-t", tag});
  }

  Json Inspect(const std::string& reference) {
    const Finished inspected = Zlayer({"inspect", "--format", "json", reference});
    EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
    return Json::parse(inspected.out, nullptr, false);
  }

  Finished Shell(const std::string& script) {
    return Execute({"sh", "-ec", script, "sh", directory_.path()});
  }
};

TEST_F(ImageTest, SkopeoReadsWhatIsExported) {
  BuildSmallImage("small");
  const Json image = Inspect("small")["image"];
  ASSERT_EQ(Zlayer({"export", "-o", Path("small.tar"), "small"}).exit_code, 0);
  const Finished inspected =
      Execute({"skopeo", "inspect", "--raw", "oci-archive:" + Path("small.tar")});
  ASSERT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_EQ("sha256:" + Execute({"sha256sum"}, inspected.out).out.substr(0, 64),
            image["manifest_digest"]);
  const Finished copied = Execute({"skopeo", "copy", "--insecure-policy",
                                   "oci-archive:" + Path("small.tar"), "dir:" + Path("copied")});
  EXPECT_EQ(copied.exit_code, 0) << copied.err;
}

TEST_F(ImageTest, ExportsOfTheSameImageAreTheSameBytes) {
  BuildSmallImage("small");
  ASSERT_EQ(Zlayer({"export", "-o", Path("1.tar"), "small"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"export", "-o", Path("2.tar"), "small"}).exit_code, 0);
  EXPECT_EQ(Execute({"cmp", Path("1.tar"), Path("2.tar")}).exit_code, 0);
}

TEST_F(ImageTest, WhatWasExportedImportsAsTheSameImage) {
  BuildSmallImage("small");
  const Json before = Inspect("small")["image"];
  ASSERT_EQ(Zlayer({"export", "-o", Path("small.tar"), "small"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"export", "--format", "oci-layout", "-o", Path("layout"), "small"}).exit_code, 0);
  StopDaemon();
  ASSERT_OK(RemoveTree(Root()));
  StartDaemon();
  const Finished archive = Zlayer({"import", Path("small.tar"), "again"});
  ASSERT_EQ(archive.exit_code, 0) << archive.err;
  const Finished layout = Zlayer({"import", Path("layout")});
  ASSERT_EQ(layout.exit_code, 0) << layout.err;
  for (const char* name : {"again", "small"}) {
    const Json after = Inspect(name)["image"];
    EXPECT_EQ(after["manifest_digest"], before["manifest_digest"]);
    EXPECT_EQ(after["config_digest"], before["config_digest"]);
  }
  // An imported image is a base like any other.
  WriteContext("Dockerfile", "FROM again\nRUN test \"$(cat /x)\" = x && test -f /file\n");
  Build();
}

TEST_F(ImageTest, GzipAndZstdLayersOfOthersImport) {
  BuildSmallImage("small");
  ASSERT_EQ(Zlayer({"export", "-o", Path("small.tar"), "small"}).exit_code, 0);
  for (const char* format : {"gzip", "zstd"}) {
    const std::string name = std::string("from-") + format;
    const Finished copied = Execute({"skopeo", "copy", "--insecure-policy", "--dest-compress-format",
                                     format, "--dest-compress", "oci-archive:" + Path("small.tar"),
                                     "oci-archive:" + Path(name + ".tar") + ":" + name});
    ASSERT_EQ(copied.exit_code, 0) << copied.err;
    const Finished imported = Zlayer({"import", Path(name + ".tar"), name});
    ASSERT_EQ(imported.exit_code, 0) << imported.err;
    WriteContext("Dockerfile", "FROM " + name + "\nRUN test \"$(cat /x)\" = x\n");
    Build();
    EXPECT_EQ(Inspect(name)["image"]["config_digest"], Inspect("small")["image"]["config_digest"]);
  }
}

TEST_F(ImageTest, NamesAreListedMovedAndRemoved) {
  BuildSmallImage("small");
  ASSERT_EQ(Zlayer({"tag", "small", "registry.example/a/b:v1"}).exit_code, 0);
  const std::vector<Json> images = ParseEvents(Zlayer({"images", "--format", "json"}).out);
  ASSERT_EQ(images.size(), 3u);
  EXPECT_EQ(images[0]["familiar_name"], "busybox:latest");
  EXPECT_EQ(images[1]["familiar_name"], "small:latest");
  EXPECT_EQ(images[2]["reference"], "registry.example/a/b:v1");
  EXPECT_EQ(Zlayer({"rmi", "small", "registry.example/a/b:v1"}).exit_code, 0);
  EXPECT_EQ(ParseEvents(Zlayer({"images", "--format", "json"}).out).size(), 1u);
  const Finished gone = Zlayer({"inspect", "small"});
  EXPECT_EQ(gone.exit_code, 1);
  EXPECT_THAT(gone.err, HasSubstr("small"));
}

// Files of every type with every kind of metadata and name.
constexpr char kOddFiles[] = R"sh(
  mkdir -p "$1/odd" && cd "$1/odd"
  for mode in 0000 0400 0444 0600 0644 0666 0700 0755 0777 1755 2755 4755 6755 7777; do
    echo "$mode" > "mode-$mode"
    mkdir "dir-$mode"
    echo inside > "dir-$mode/inside"
    chmod "$mode" "mode-$mode" "dir-$mode"
  done
  n=0
  for owner in 0:0 1:1 1000:1000 65534:65534 100000:200000 2097152:2097153 4294967294:7; do
    echo "$owner" > "owner-$n"; chown "$owner" "owner-$n"; n=$((n + 1))
  done
  chmod u+s owner-2
  for time in 1970-01-01 1999-12-31T23:59:59 2038-01-19T03:14:08 2100-01-01; do
    echo "$time" > "time-$time"; touch -d "$time" "time-$time"
  done
  echo leader > link-leader
  for i in 1 2 3; do ln link-leader "link-hard-$i"; done
  mkdir sub; ln link-leader sub/link-hard
  ln -s link-leader link-relative; ln -s /odd/link-leader link-absolute
  ln -s nowhere link-dangling; ln -s .. link-up; ln -s "$(printf '%0200d' 0)" link-long
  mkfifo fifo; mknod char c 1 3; mknod block b 7 200; chmod 0640 char
  for name in "with space" ' lead' 'trail ' '*' '[a]' 'a\b' '"q"' "'" '$v' '-dash' '#hash' '~' \
      'ümlaut' '日本語' '..dots' '.hidden' 'a:b' '%2f'; do echo "$name" > "./name-$name"; done
  printf 'x' > "$(printf 'name-\001\t\n\377')"
  long=$(printf '%0240d' 0); mkdir -p "$long/$long"; echo deep > "$long/$long/$long"
  : > empty; mkdir empty-dir; head -c 3000000 /dev/zero | tr '\0' z > large
  echo attr > attr; setfattr -n user.one -v "value" attr; setfattr -n user.binary -v 0x00ff0a attr
  setfattr -n user.dir -v d empty-dir; cp large caps
  setcap cap_net_raw+ep caps 2>/dev/null ||
    setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 caps
  touch -d 2001-01-01 sub empty-dir
)sh";

// One line for everything that must not change, of each file below odd/.
constexpr char kListing[] = R"sh(
  cd "$1/odd"
  find . -print0 | LC_ALL=C sort -z | xargs -0 stat --printf '%n|%A|%u:%g|%t,%T|%Y|%F|%h\n' |
    sed 's/|directory|.*/|directory/'
  find . -type l -printf '%p -> %l\n' | LC_ALL=C sort
  find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  find . -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m '^(user|security.capability)' --absolute-names
)sh";

class OddFilesTest : public ImageTest {
 protected:
  std::string Listing(const std::string& directory) {
    const Finished listed = Execute({"sh", "-ec", kListing, "sh", directory});
    EXPECT_EQ(listed.exit_code, 0) << listed.err;
    return listed.out;
  }

  std::string ListingOf(const std::string& reference) {
    EXPECT_EQ(Zlayer({"export", "--format", "oci-layout", "-o", Path("out-" + reference), reference})
                  .exit_code,
              0);
    const Finished unpacked =
        Execute({"umoci", "unpack", "--keep-dirlinks", "--image",
                 Path("out-" + reference) + ":latest", Path("unpacked-" + reference)});
    EXPECT_EQ(unpacked.exit_code, 0) << unpacked.err;
    return Listing(Path("unpacked-" + reference) + "/rootfs");
  }
};

TEST_F(OddFilesTest, PassThroughImportCopyRunExportAndImportUnchanged) {
  ASSERT_OK(MakeDirectories(Path("made")));
  const Finished made = Execute({"sh", "-ec", kOddFiles, "sh", Path("made")});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const std::string expected = Listing(Path("made"));
  EXPECT_GT(std::count(expected.begin(), expected.end(), '\n'), 150);
  ASSERT_EQ(Shell("tar -C \"$1/made\" --xattrs --xattrs-include='*' --format=pax -cf \"$1/odd.tar\" .")
                .exit_code,
            0);
  const Finished imported = Zlayer({"import", Path("odd.tar"), "odd"});
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
  EXPECT_EQ(ListingOf("odd"), expected);

  WriteContext("Dockerfile", "FROM scratch\nCOPY --from=odd / /\n");
  Build({"-t", "copied"});
  EXPECT_EQ(ListingOf("copied"), expected);

  // Through the tree that a command stands on, moved, and the tree that it makes. (busybox's mv keeps
  // neither attributes nor times of links.)
  ImportBusybox("gnu", "cp /bin/mv bin/gnu-mv; for file in $(ldd /bin/mv | grep -o '/[^ ]*'); do "
                       "mkdir -p .${file%/*}; cp -L $file .$file; done");
  WriteContext("Dockerfile",
               "FROM gnu\nCOPY --from=copied / /in/\nRUN gnu-mv /in/odd /odd\n");
  Build({"-t", "run"});
  EXPECT_EQ(ListingOf("run"), expected);
  // What the kernel copies up where a command changes it: here, to what it was. (Of several links it
  // copies one, so they are left alone.)
  WriteContext("Dockerfile",
               "FROM run\nRUN find /odd ! -type l \\( -type d -o -links 1 \\) "
               "-exec sh -c 'chmod $(stat -c %a \"$1\") \"$1\"' sh {} \\;\n");
  EXPECT_EQ(Executed(Build({"-t", "touched"})).size(), 1u);
  EXPECT_EQ(ListingOf("touched"), expected);

  ASSERT_EQ(Zlayer({"export", "-o", Path("run.tar"), "run"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"rmi", "run"}).exit_code, 0);
  const Finished again = Zlayer({"import", Path("run.tar"), "again"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(ListingOf("again"), expected);
}

TEST_F(ImageTest, BrokenArchivesAreRefusedAndLeaveNothing) {
  BuildSmallImage("small");
  ASSERT_EQ(Zlayer({"export", "-o", Path("small.tar"), "small"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"rmi", "small"}).exit_code, 0);
  const std::string before = Zlayer({"images", "--format", "json"}).out;
  const std::string files_before = Shell("cd \"$1/root\" && find blobs packs indexes | sort").out;
  // Cut off; a byte of a blob changed; not an archive at all; empty.
  ASSERT_EQ(Shell("cd \"$1\"; head -c 700000 small.tar > cut.tar; cp small.tar changed.tar; "
                  "printf X | dd of=changed.tar bs=1 seek=900000 conv=notrunc 2>/dev/null; "
                  "echo text > text.tar; : > empty.tar")
                .exit_code,
            0);
  for (const char* name : {"cut.tar", "changed.tar", "text.tar", "empty.tar"}) {
    const Finished refused = Zlayer({"import", Path(name), "broken"});
    EXPECT_EQ(refused.exit_code, 1) << name;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
  }
  EXPECT_EQ(Zlayer({"images", "--format", "json"}).out, before);
  EXPECT_EQ(Shell("cd \"$1/root\" && find blobs packs indexes | sort").out, files_before);
  EXPECT_THAT(TemporaryFiles(), IsEmpty());
}

}  // namespace
}  // namespace zlayer::e2e
