#include "backends/graph/image_config.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace zlayer {
namespace {

using ::testing::ElementsAre;

class ImageConfigTest : public ::testing::Test {
 protected:
  void Apply(const std::string& text) {
    v1::ConfigChange change;
    ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &change)) << text;
    ApplyConfigChange(change, &config_, &command_is_own_);
  }

  v1::ImageConfig config_;
  bool command_is_own_ = false;
};

TEST_F(ImageConfigTest, VariableSetAgainKeepsItsPlace) {
  Apply(R"(set_env { key: "A" value: "1" })");
  Apply(R"(set_env { key: "AB" value: "2" })");
  Apply(R"(set_env { key: "A" value: "3=4" })");
  EXPECT_THAT(config_.env(), ElementsAre("A=3=4", "AB=2"));
}

TEST_F(ImageConfigTest, EntrypointDropsAnInheritedCommand) {
  config_.mutable_cmd()->add_words("inherited");
  Apply(R"(set_entrypoint { words: "/entry" })");
  EXPECT_FALSE(config_.has_cmd());
  EXPECT_FALSE(config_.args_escaped());
}

TEST_F(ImageConfigTest, ACommandIsMarkedAsEscapedForGood) {
  Apply(R"(set_cmd { words: "own" })");
  EXPECT_TRUE(config_.args_escaped());
  command_is_own_ = false;
  Apply(R"(set_entrypoint { words: "/entry" })");
  EXPECT_FALSE(config_.has_cmd());
  EXPECT_TRUE(config_.args_escaped());
}

TEST_F(ImageConfigTest, EntrypointKeepsTheStagesOwnCommand) {
  Apply(R"(set_cmd { words: "own" })");
  Apply(R"(set_entrypoint { words: "/entry" })");
  EXPECT_THAT(config_.cmd().words(), ElementsAre("own"));
}

TEST_F(ImageConfigTest, EmptyCommandIsSetNotAbsent) {
  Apply("set_cmd { }");
  EXPECT_TRUE(config_.has_cmd());
  EXPECT_THAT(config_.cmd().words(), ElementsAre());
}

TEST_F(ImageConfigTest, PortsAndVolumesAreSortedAndUnique) {
  for (const char* port : {"80/tcp", "443/tcp", "53/udp", "80/tcp"}) {
    Apply(std::string("add_exposed_port: \"") + port + "\"");
  }
  Apply(R"(add_volume: "/b")");
  Apply(R"(add_volume: "/a")");
  EXPECT_THAT(config_.exposed_ports(), ElementsAre("443/tcp", "53/udp", "80/tcp"));
  EXPECT_THAT(config_.volumes(), ElementsAre("/a", "/b"));
}

TEST_F(ImageConfigTest, OnBuildTriggersAreAddedAndCleared) {
  Apply(R"(add_on_build: "RUN a")");
  Apply(R"(add_on_build: "RUN b")");
  EXPECT_THAT(config_.on_build(), ElementsAre("RUN a", "RUN b"));
  Apply("clear_on_build: true");
  EXPECT_THAT(config_.on_build(), ElementsAre());
}

}  // namespace
}  // namespace zlayer
