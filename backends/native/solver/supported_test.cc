#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

#include "backends/native/solver/solve.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status Check(const std::string& text) {
  v1::Graph graph;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &graph)) << text;
  v1::Platform host;
  host.set_os("linux");
  host.set_architecture("amd64");
  return CheckSupported(graph, host);
}

TEST(SupportedTest, OnlyCommandsNeedTheSystemOfTheHost) {
  const std::string stage = R"(stages { platform { os: "windows" architecture: "amd64" }
                                        operations { scratch {} } operations { copy {} })";
  EXPECT_OK(Check(stage + "}"));
  const absl::Status refused = Check(
      stage + R"(operations { text: "RUN dir" source { file: "D" first_line: 3 } run {} } })");
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                AllOf(HasSubstr("D:3"), HasSubstr("windows/amd64"),
                                      HasSubstr("linux/amd64"), HasSubstr("hcs"))));
  EXPECT_EQ(DetailOf(refused).instruction(), "RUN dir");
  EXPECT_EQ(DetailOf(refused).reason(), "BACKEND_UNAVAILABLE");
  EXPECT_EQ(DetailOf(refused).source().first_line(), 3u);
  EXPECT_OK(Check("stages { operations { run {} } }"));
  EXPECT_OK(Check(R"(stages { platform { os: "linux" architecture: "arm64" }
                              operations { run {} } })"));
}

TEST(SupportedTest, SecretsAndAgentsAreRefusedWithTheirLine) {
  for (const char* type : {"SECRET", "SSH"}) {
    const absl::Status refused = Check(std::string(R"(stages { operations {
        source { file: "D" first_line: 2 } run { mounts { type: )") +
                                       type + " required: true } } } }");
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnimplemented)) << type;
    EXPECT_EQ(DetailOf(refused).source().first_line(), 2u);
  }
}

}  // namespace
}  // namespace zlayer
