#include "daemon/frontend/zimagefile/file_name.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

TEST(FileNameTest, FoundByItself) {
  for (const char* name : {"ZImagefile", "ZImagefile.dev", "ZImagefile.a.b", "ZImagefile..x"}) {
    EXPECT_TRUE(IsZImagefileName(name)) << name;
    EXPECT_TRUE(IsZImagefilePath(name)) << name;
  }
  for (const char* name : {"", "Dockerfile", "zimagefile", "ZImagefile.", "ZImagefiles",
                           "ZImagefile-dev", "a.ZImagefile", "app.yml", "dir/ZImagefile"}) {
    EXPECT_FALSE(IsZImagefileName(name)) << name;
  }
}

TEST(FileNameTest, Named) {
  for (const char* path :
       {"docker/ZImagefile", "/a/b/ZImagefile.dev", "app.yml", "dir/app.YAML", "./x.y.yaml"}) {
    EXPECT_TRUE(IsZImagefilePath(path)) << path;
  }
  for (const char* path :
       {"", "ZImagefile/Dockerfile", "app.yml/Dockerfile", "yml", "app.json", "app.yml.bak"}) {
    EXPECT_FALSE(IsZImagefilePath(path)) << path;
  }
}

}  // namespace
}  // namespace zlayer
