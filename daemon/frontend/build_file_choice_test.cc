#include "daemon/frontend/build_file_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ChooseBuildFileTest, TakesTheZImagefileElseTheOnlyOneElseTheDockerfile) {
  const auto choose = [](std::vector<std::string> names) {
    return ChooseBuildFile(std::move(names), "").value_or("error");
  };
  EXPECT_EQ(choose({"Dockerfile", "ZImagefile.b", "ZImagefile", "ZImagefile.a"}), "ZImagefile");
  EXPECT_EQ(choose({"Dockerfile", "ZImagefile.b"}), "ZImagefile.b");
  EXPECT_EQ(choose({"Dockerfile", "ZImagefile.", "ZImagefiles", "zimagefile", "ZImagefile.\xff"}),
            "Dockerfile");
  EXPECT_EQ(choose({}), "Dockerfile");
}

TEST(ChooseBuildFileTest, AnIgnoreFileIsNoBuildFile) {
  EXPECT_EQ(ChooseBuildFile({"ZImagefile.a", "ZImagefile.a.dockerignore"}, "").value_or(""),
            "ZImagefile.a");
  EXPECT_EQ(ChooseBuildFile({"ZImagefile.dockerignore"}, "").value_or(""), "Dockerfile");
}

TEST(ChooseBuildFileTest, ListsThoseToChooseFrom) {
  const absl::Status status =
      ChooseBuildFile({"ZImagefile.b", "ZImagefile.a"}, "choose one with -z").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("ZImagefile.a, ZImagefile.b; choose one with -z")));
  EXPECT_EQ(DetailOf(status).reason(), "AMBIGUOUS_BUILD_FILE");
  EXPECT_THAT(DetailOf(status).items(), ElementsAre("ZImagefile.a", "ZImagefile.b"));
}

}  // namespace
}  // namespace zlayer
