#include "daemon/frontend/zimagefile/expand_variables.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

std::string Expanded(const std::string& text) {
  const std::map<std::string, std::string> variables = {
      {"V", "value"}, {"EMPTY", ""}, {"NESTED", "${V}"}, {"DOLLAR", "$"}, {"my-var.x", "dashed"}};
  const absl::StatusOr<std::string> expanded = ExpandVariables(text, variables, "ZImagefile");
  EXPECT_OK(expanded);
  return expanded.value_or("");
}

TEST(ExpandVariablesTest, PutsValuesIn) {
  EXPECT_EQ(Expanded("a ${V} b${V}${V}"), "a value bvaluevalue");
  EXPECT_EQ(Expanded("${my-var.x}"), "dashed");
  EXPECT_EQ(Expanded("${EMPTY}"), "");
  EXPECT_EQ(Expanded("${V:-default} ${EMPTY:-default} ${EMPTY:-}"), "value default ");
  EXPECT_EQ(Expanded("${EMPTY:-a ${V} {} b}c"), "a ${V} { b}c");
  EXPECT_EQ(Expanded("${EMPTY:-${OTHER}}"), "${OTHER}");
}

TEST(ExpandVariablesTest, LooksAtValuesOnce) {
  EXPECT_EQ(Expanded("${NESTED}"), "${V}");
  EXPECT_EQ(Expanded("${DOLLAR}{V} ${DOLLAR}${V}"), "${V} $value");
}

TEST(ExpandVariablesTest, LeavesAllElse) {
  for (const char* text :
       {"", "$V", "${OTHER}", "${OTHER:-default}", "${V", "${V:-x", "${V:-x\n}", "${V:+x}",
        "${V-x}", "${V#x}", "${}", "${:-x}", "${V }", "$${V}", "$$${", "}{$", "${OTHER:-${}}"}) {
    EXPECT_EQ(Expanded(text), text);
  }
  EXPECT_EQ(Expanded("${OTHER:-${V}}"), "${OTHER:-value}");
}

TEST(ExpandVariablesTest, TwoDollarsAreOne) {
  EXPECT_EQ(Expanded("$${V}"), "$${V}");
  EXPECT_EQ(Expanded("$$${V}"), "$$value");
  EXPECT_EQ(Expanded("$$$${V}"), "$$$${V}");
}

TEST(ExpandVariablesTest, ChangesNothingWithoutVariables) {
  const std::string text = "base: ${A} ${B:-c} $${D} $E\n";
  EXPECT_THAT(ExpandVariables(text, {}, "ZImagefile"), IsOkAndHolds(text));
}

TEST(ExpandVariablesTest, TakesLinearTime) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) {
    text += "${V:-";
  }
  EXPECT_EQ(Expanded(text), text);
  EXPECT_EQ(Expanded(text + "}}}"), text.substr(0, text.size() - 15) + "value");
}

TEST(ExpandVariablesTest, BoundsTheResult) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) {
    text += "${V}";
  }
  EXPECT_THAT(ExpandVariables(text, {{"V", std::string(100'000, 'x')}}, "ZImagefile"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ZImagefile: ")));
}

}  // namespace
}  // namespace zlayer
