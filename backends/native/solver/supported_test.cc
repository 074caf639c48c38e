#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/native/solver/solve.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

v1::Graph GraphOf(const std::string& text) {
  v1::Graph graph;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &graph)) << text;
  return graph;
}

absl::Status Check(const std::string& text) {
  const v1::Graph graph = GraphOf(text);
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
  EXPECT_EQ(DetailOf(refused).stage(), "0");
  EXPECT_EQ(DetailOf(refused).reason(), "BACKEND_UNAVAILABLE");
  EXPECT_EQ(DetailOf(refused).subject(), "hcs");
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
    EXPECT_EQ(DetailOf(refused).reason(), "UNSUPPORTED_OPTION");
    EXPECT_EQ(DetailOf(refused).source().first_line(), 2u);
  }
}

class EntitlementsTest : public ::testing::Test {
 protected:
  absl::Status Check(bool allow_insecure, std::vector<std::string> entitlements = {}) {
    BuildJob job;
    job.graph = std::make_shared<const v1::Graph>(GraphOf(graph_));
    job.entitlements = std::move(entitlements);
    return CheckEntitlements(job, allow_insecure);
  }

  std::string graph_ = R"(stages { name: "unneeded" operations { scratch {} }
                                   operations { run { security: SECURITY_INSECURE } } }
                          stages { name: "made" operations { scratch {} }
                                   operations { text: "RUN --security=insecure mount"
                                                source { file: "D" first_line: 2 }
                                                run { security: SECURITY_INSECURE } } }
                          targets: 1)";
};

TEST_F(EntitlementsTest, WhatIsNotGrantedIsRefusedWithItsPlace) {
  const struct {
    bool allowed;
    const char* who;
  } cases[] = {{true, "the request does not grant"}, {false, "this daemon does not allow"}};
  for (const auto& [allowed, who] : cases) {
    const absl::Status refused = Check(allowed);
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kPermissionDenied,
                                  AllOf(HasSubstr("D:2: "), HasSubstr(who))));
    const v1::ErrorDetail detail = DetailOf(refused);
    EXPECT_EQ(detail.reason(), "ENTITLEMENT_MISSING");
    EXPECT_EQ(detail.subject(), "security.insecure");
    EXPECT_EQ(detail.instruction(), "RUN --security=insecure mount");
    EXPECT_EQ(detail.stage(), "made");
  }
  EXPECT_THAT(Check(false, {"security.insecure"}), StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(EntitlementsTest, WhatIsGrantedOrNotNeededPasses) {
  EXPECT_OK(Check(true, {"security.insecure"}));
  graph_.replace(graph_.find("targets: 1"), std::string::npos, "");
  graph_ += "stages { operations { scratch {} } } targets: 2";
  EXPECT_OK(Check(false));
}

}  // namespace
}  // namespace zlayer
