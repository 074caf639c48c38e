#include "daemon/frontend/pipeline/variables.h"

#include <gtest/gtest.h>

#include "base/errors.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

const PipelineVariables kVariables = {
    {"VERSION", "1.2"}, {"EMPTY", ""}, {"NESTED", "${VERSION}"}, {"_x9", "u"}};

std::string Expanded(std::string_view text) {
  const absl::StatusOr<std::string> expanded = ExpandVariables(text, kVariables, 50);
  return expanded.ok() ? *expanded : "error: " + std::string(Message(expanded.status()));
}

TEST(VariablesTest, TheResultIsBounded) {
  const PipelineVariables variables = {{"V", std::string(10, 'x')}};
  EXPECT_THAT(ExpandVariables("${V}${V}", variables, 20), IsOkAndHolds(std::string(20, 'x')));
  EXPECT_THAT(ExpandVariables("${V}${V}", variables, 19),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(VariablesTest, Table) {
  const struct {
    const char* text;
    const char* expanded;
  } kRows[] = {
      {"", ""},
      {"plain", "plain"},
      {"${VERSION}", "1.2"},
      {"app:${VERSION}-${_x9}", "app:1.2-u"},
      {"[${EMPTY}]", "[]"},
      {"${EMPTY:-x}", "x"},
      {"${VERSION:-x}", "1.2"},
      {"${NOT:-}", ""},
      {"${NOT:-a:-b}", "a:-b"},
      {"${NOT:-${VERSION}}", "${VERSION}"},  // one pass
      {"${NESTED}", "${VERSION}"},
      {"$${VERSION}", "${VERSION}"},
      {"$$${VERSION}", "$${VERSION}"},
      {"$VERSION $ $$ $1", "$VERSION $ $$ $1"},
      {"${VERSIONS}", "error: the variable VERSIONS is not set; did you mean VERSION?"},
      {"${OTHER}",
       "error: the variable OTHER is not set: declare it under vars, or write ${NAME:-default}"},
      {"${VERSION", "error: a ${ has no }; write $${ for a ${ that stays"},
      {"${}",
       "error: \"${}\" is neither ${NAME} nor ${NAME:-default}; write $${ for a ${ that stays"},
      {"${1A}",
       "error: \"${1A}\" is neither ${NAME} nor ${NAME:-default}; write $${ for a ${ that stays"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(Expanded(row.text), row.expanded) << row.text;
  }
}

}  // namespace
}  // namespace zlayer
