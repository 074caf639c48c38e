#include "registry/layer/testing/odd_tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/files.h"

namespace zlayer {
namespace {

// Makes entries below a directory, each with the next second as its time.
class OddTree {
 public:
  explicit OddTree(std::string root) : root_(std::move(root)) {}

  void Files();
  void Links();
  void Nodes();
  void Names();
  void Attributes();
  void Marks();
  void SetTimes();

 private:
  std::string At(const std::string& name) const { return root_ + "/" + name; }
  void File(const std::string& name, const std::string& content, mode_t mode = 0644);
  void Directory(const std::string& name, mode_t mode = 0755) {
    EXPECT_EQ(mkdir(At(name).c_str(), 0700), 0) << name;
    EXPECT_EQ(chmod(At(name).c_str(), mode), 0);
  }
  void Xattr(const std::string& name, const char* key, const std::string& value) {
    EXPECT_EQ(lsetxattr(At(name).c_str(), key, value.data(), value.size(), 0), 0) << key;
  }

  std::string root_;
};

void OddTree::File(const std::string& name, const std::string& content, mode_t mode) {
  auto fd = OpenFile(At(name), O_WRONLY | O_CREAT | O_EXCL);
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_TRUE(WriteFully(fd->get(), content).ok()) << name;
  EXPECT_EQ(chmod(At(name).c_str(), mode), 0);
}

void OddTree::Files() {
  Directory("modes");
  for (mode_t mode :
       {0, 0400, 0444, 0600, 0644, 0666, 0755, 0777, 01644, 02755, 04755, 06711, 07777}) {
    File(fmt::format("modes/{:04o}", mode), fmt::format("mode {}", mode), mode);
  }
  Directory("sizes", 01777);
  for (size_t size : {0, 1, 511, 512, 513, 4096, 1048576, 1048577, 2500000}) {
    File(fmt::format("sizes/{}", size), std::string(size, 'x'));
  }
  Directory("owners", 02750);
  uid_t owners[] = {1, 1000, 65534, 2097151, 2097152, 4294967294u};
  for (uid_t owner : owners) {
    std::string name = fmt::format("owners/{}", owner);
    File(name, name);
    EXPECT_EQ(chown(At(name).c_str(), owner, owner - 1), 0);
  }
  File("owners/setuid", "kept through a change of owner");
  EXPECT_EQ(chown(At("owners/setuid").c_str(), 5, 6), 0);
  EXPECT_EQ(chmod(At("owners/setuid").c_str(), 06755), 0);
}

void OddTree::Links() {
  Directory("links");
  const char* targets[] = {"relative",     "/absolute/path", "..", "../../../../etc/passwd",
                           "a\nb\xff\xfe", "links/",         "."};
  for (size_t i = 0; i < std::size(targets); ++i) {
    EXPECT_EQ(symlink(targets[i], At(fmt::format("links/s{}", i)).c_str()), 0);
  }
  EXPECT_EQ(symlink(std::string(4000, 't').c_str(), At("links/long").c_str()), 0);
  EXPECT_EQ(lchown(At("links/long").c_str(), 77, 78), 0);
  File("links/z-leader", "linked");
  Directory("hard");
  for (const char* name : {"links/a-link", "hard/link", "hard.link"}) {
    EXPECT_EQ(link(At("links/z-leader").c_str(), At(name).c_str()), 0);
  }
  File("hard/other", "another group", 0600);
  EXPECT_EQ(link(At("hard/other").c_str(), At("hard/other2").c_str()), 0);
}

void OddTree::Nodes() {
  Directory("nodes");
  EXPECT_EQ(mkfifo(At("nodes/fifo").c_str(), 0622), 0);
  EXPECT_EQ(mknod(At("nodes/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  EXPECT_EQ(mknod(At("nodes/large").c_str(), S_IFCHR | 0600, makedev(511, 1048575)), 0);
  EXPECT_EQ(mknod(At("nodes/loop").c_str(), S_IFBLK | 0660, makedev(7, 0)), 0);
}

void OddTree::Names() {
  Directory("names");
  std::string names[] = {" ",
                         "-",
                         "--",
                         "~",
                         "#x",
                         "a b",
                         "new\nline",
                         "tab\t",
                         "quote'\"",
                         "back\\slash",
                         "*?[",
                         "\x01",
                         "\x7f",
                         "\xff\xfe",
                         "\xc3\xa9",
                         "e\xcc\x81",
                         "\xe6\x97\xa5",
                         "...",
                         "..x",
                         ".wh",
                         ".whx",
                         "a=b",
                         "%41",
                         "$HOME",
                         std::string(255, 'n'),
                         std::string(101, 'm'),
                         "PaxHeaders.0"};
  for (const std::string& name : names) {
    File("names/" + name, name);
  }
  std::string deep = "names/deep";
  Directory(deep);
  for (int level = 0; level < 12; ++level) {
    deep += "/" + std::string(60, static_cast<char>('a' + level));
    Directory(deep, 0711);
  }
  File(deep + "/end", "deep");
}

void OddTree::Attributes() {
  Directory("xattrs");
  Xattr("xattrs", "user.directory", "yes");
  File("xattrs/many", "x");
  Xattr("xattrs/many", "user.empty", "");
  Xattr("xattrs/many", "user.binary", std::string("\0\n=\xff", 4));
  Xattr("xattrs/many", "trusted.kept", "trusted");
  File("xattrs/capable", "x", 0755);
  std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  EXPECT_EQ(chown(At("xattrs/capable").c_str(), 3, 4), 0);
  Xattr("xattrs/capable", "security.capability", capability);
  EXPECT_EQ(symlink("x", At("xattrs/link").c_str()), 0);
  Xattr("xattrs/link", "trusted.link", "on a symlink");
}

void OddTree::Marks() {
  Directory("marks");
  EXPECT_EQ(mknod(At("marks/gone").c_str(), S_IFCHR, 0), 0);
  EXPECT_EQ(mknod(At("marks/\xff").c_str(), S_IFCHR, 0), 0);
  Directory("marks/opaque", 0700);
  Xattr("marks/opaque", "trusted.overlay.opaque", "y");
  File("marks/opaque/new", "new");
  Directory("marks/empty-opaque");
  Xattr("marks/empty-opaque", "trusted.overlay.opaque", "y");
}

void OddTree::SetTimes() {
  // The deepest first: nothing touches a directory any more once it has its time.
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.rbegin(), paths.rend());
  time_t time = 1'000'000'000;
  for (const std::string& path : paths) {
    timespec times[2] = {{time, 0}, {time, 0}};
    EXPECT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
    time += 7;
  }
}

}  // namespace

bool CanMakeTrees(const std::string& directory) {
  std::string probe = directory + "/probe";
  bool able = mknod(probe.c_str(), S_IFCHR, 0) == 0 && chown(probe.c_str(), 12345, 54321) == 0 &&
              setxattr(probe.c_str(), "trusted.probe", "y", 1, 0) == 0;
  unlink(probe.c_str());
  return able;
}

void MakeOddTree(const std::string& directory, bool layer) {
  OddTree tree(directory);
  tree.Files();
  tree.Links();
  tree.Nodes();
  tree.Names();
  tree.Attributes();
  if (layer) {
    tree.Marks();
  }
  tree.SetTimes();
}

ContentOpener TreeOpener(const std::string& directory) {
  return [directory](const Entry& file) -> absl::StatusOr<ContentFile> {
    auto fd = OpenFile(directory + "/" + file.path, O_RDONLY);
    if (!fd.ok()) {
      return fd.status();
    }
    return ContentFile{std::make_shared<const UniqueFd>(*std::move(fd)), 0, file.size};
  };
}

}  // namespace zlayer
