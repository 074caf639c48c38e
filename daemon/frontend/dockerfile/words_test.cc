#include "daemon/frontend/dockerfile/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/strings.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Variables = std::map<std::string, std::string, std::less<>>;

VariableLookup In(const Variables& variables) {
  return [&variables](std::string_view name) -> std::optional<std::string> {
    const auto at = variables.find(name);
    if (at == variables.end()) {
      return std::nullopt;
    }
    return at->second;
  };
}

absl::StatusOr<std::string> Text(std::string_view word, const Variables& variables = {},
                                 const WordOptions& options = {}) {
  absl::StatusOr<ExpandedWord> result = ExpandWord(word, In(variables), options);
  if (!result.ok()) {
    return result.status();
  }
  return result->text;
}

std::vector<std::string> SharedLines(const std::string& file) {
  const char* shared = std::getenv("ZLAYER_SHARED");
  std::vector<std::string> lines;
  if (shared == nullptr) {
    return lines;
  }
  std::ifstream in(std::filesystem::path(shared) / "conformance/words" / file);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

TEST(WordsConformanceTest, Expand) {
  const std::vector<std::string> lines = SharedLines("env_expand.txt");
  if (lines.empty()) {
    GTEST_SKIP() << "ZLAYER_SHARED does not name a folder with the conformance data";
  }
  const Variables variables = {
      {"PWD", "/home"}, {"SHELL", "bash"}, {"KOREAN", "한국어"}, {"NULL", ""}};
  for (const std::string& line : lines) {
    const std::vector<std::string_view> fields = Split(line, '|');
    if (fields.size() != 3 || Trim(fields[0]) == "W") {
      continue;
    }
    const std::string_view word = Trim(fields[1]);
    const std::string_view expected = Trim(fields[2]);
    if (expected == "error") {
      EXPECT_THAT(Text(word, variables), StatusIs(absl::StatusCode::kInvalidArgument)) << line;
    } else {
      EXPECT_THAT(Text(word, variables), IsOkAndHolds(expected)) << line;
    }
  }
}

TEST(WordsConformanceTest, Split) {
  const std::vector<std::string> lines = SharedLines("word_split.txt");
  if (lines.empty()) {
    GTEST_SKIP() << "ZLAYER_SHARED does not name a folder with the conformance data";
  }
  Variables variables;
  for (const std::string& line : lines) {
    if (line.starts_with("#")) {
      continue;
    }
    if (line.starts_with("ENV ")) {
      const size_t equals = line.find('=');
      variables[line.substr(4, equals - 4)] = line.substr(equals + 1);
      continue;
    }
    const size_t bar = line.find(" | ");
    ASSERT_NE(bar, std::string::npos) << line;
    ASSERT_OK_AND_ASSIGN(const ExpandedWord result, ExpandWord(line.substr(0, bar), In(variables)));
    EXPECT_EQ(Join(result.words, ","), line.substr(bar + 3)) << line;
  }
}

TEST(WordsTest, ExpandsVariables) {
  const Variables variables = {{"a", "1"}, {"empty", ""}};
  EXPECT_THAT(Text("$a-${a}-$b-${b}", variables), IsOkAndHolds("1-1--"));
  EXPECT_THAT(Text("${a:-x}${b:-x}${empty:-y}", variables), IsOkAndHolds("1xy"));
  EXPECT_THAT(Text("${a-x}${b-x}${empty-y}", variables), IsOkAndHolds("1x"));
  EXPECT_THAT(Text("${a:+x}${b:+x}${empty:+y}", variables), IsOkAndHolds("x"));
  EXPECT_THAT(Text("${a+x}${b+x}${empty+y}", variables), IsOkAndHolds("xy"));
  EXPECT_THAT(Text("${b:-${a:+$a$a}}", variables), IsOkAndHolds("11"));
}

TEST(WordsTest, QuestionMarkRefusesWhatIsMissing) {
  const Variables variables = {{"empty", ""}};
  EXPECT_THAT(Text("${b?}", variables),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("b: must be set")));
  EXPECT_THAT(Text("${b:?say which}", variables),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("b: say which")));
  EXPECT_THAT(Text("${empty:?}", variables),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must not be empty")));
  EXPECT_THAT(Text("[${empty?}]", variables), IsOkAndHolds("[]"));
}

TEST(WordsTest, TrimsPatterns) {
  const Variables variables = {{"p", "/usr/local/lib.so.1"}, {"star", "a*b"}, {"ko", "안녕안"}};
  EXPECT_THAT(Text("${p#*/}", variables), IsOkAndHolds("usr/local/lib.so.1"));
  EXPECT_THAT(Text("${p##*/}", variables), IsOkAndHolds("lib.so.1"));
  EXPECT_THAT(Text("${p%.*}", variables), IsOkAndHolds("/usr/local/lib.so"));
  EXPECT_THAT(Text("${p%%.*}", variables), IsOkAndHolds("/usr/local/lib"));
  EXPECT_THAT(Text("${p%/nothing}", variables), IsOkAndHolds("/usr/local/lib.so.1"));
  EXPECT_THAT(Text("${p#/???}", variables), IsOkAndHolds("/local/lib.so.1"));
  EXPECT_THAT(Text("${star%\\*b}", variables), IsOkAndHolds("a"));
  EXPECT_THAT(Text("${ko%?}", variables), IsOkAndHolds("안녕"));
  EXPECT_THAT(Text("${p#\\x}", variables), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(WordsTest, ReplacesPatterns) {
  const Variables variables = {{"p", "a.b.c"}, {"path", "/x/y"}};
  EXPECT_THAT(Text("${p/./-}", variables), IsOkAndHolds("a-b.c"));
  EXPECT_THAT(Text("${p//./-}", variables), IsOkAndHolds("a-b-c"));
  EXPECT_THAT(Text("${p/.*/}", variables), IsOkAndHolds("a"));
  EXPECT_THAT(Text("${p//?/x}", variables), IsOkAndHolds("xxxxx"));
  EXPECT_THAT(Text("${path//\\//_}", variables), IsOkAndHolds("_x_y"));
  EXPECT_THAT(Text("${p/nothing/x}", variables), IsOkAndHolds("a.b.c"));
  EXPECT_THAT(Text("${p/x", variables), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(WordsTest, FillsInReplacementsOfAllMatches) {
  const Variables variables = {{"p", "a.b"}, {"lines", "a\nb"}};
  EXPECT_THAT(Text("${p//?/'<$0>'}", variables), IsOkAndHolds("<a><.><b>"));
  EXPECT_THAT(Text("${p//./'${0}$$'}", variables), IsOkAndHolds("a.$b"));
  EXPECT_THAT(Text("${p//./'[$1${name}$0x]'}", variables), IsOkAndHolds("a[]b"));
  EXPECT_THAT(Text("${p//./'$-${0'}", variables), IsOkAndHolds("a$-${0b"));
  EXPECT_THAT(Text("${p//./\\$0}", variables), IsOkAndHolds("a\\.b"));
  EXPECT_THAT(Text("${p/./'$0$$'}", variables), IsOkAndHolds("a$0$$b"));
  EXPECT_THAT(Text("${lines//*/x}", variables), IsOkAndHolds("x\nx"));
  EXPECT_THAT(Text("${p///-}", variables), IsOkAndHolds("-a-.-b-"));
}

TEST(WordsTest, BoundsWhatReplacingMakes) {
  const Variables variables = {{"a", std::string(500'000, 'a')}, {"b", std::string(500'000, 'b')}};
  for (const char* word : {"${a//?/$b}", "${a//*/'$0$0$0'}"}) {
    EXPECT_THAT(Text(word, variables),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 MiB")))
        << word;
  }
}

TEST(WordsTest, ReportsUnsetNamesOnce) {
  ASSERT_OK_AND_ASSIGN(const ExpandedWord result,
                       ExpandWord("$x ${z:-1} $x $a ${y}", In({{"a", ""}})));
  EXPECT_THAT(result.unset, ElementsAre("x", "y"));
}

TEST(WordsTest, SplitsWords) {
  const Variables variables = {{"two", "a b"}};
  ASSERT_OK_AND_ASSIGN(ExpandedWord result, ExpandWord("x$two \"$two\" c\\ d '' ", In(variables)));
  EXPECT_THAT(result.words, ElementsAre("xa", "b", "a b", "c d"));
  EXPECT_EQ(result.text, "xa b a b c d  ");
  ASSERT_OK_AND_ASSIGN(result, ExpandWord("", In(variables)));
  EXPECT_THAT(result.words, IsEmpty());
}

TEST(WordsTest, HonoursOtherEscape) {
  WordOptions options;
  options.escape = '`';
  EXPECT_THAT(Text("C:\\x`$a`\"", {{"a", "1"}}, options), IsOkAndHolds("C:\\x$a\""));
}

TEST(WordsTest, RawOptionsKeepWhatWasWritten) {
  WordOptions options;
  options.raw_quotes = true;
  options.raw_escapes = true;
  options.keep_unset = true;
  options.join_heredoc = true;
  const std::string_view word = "cat <<  'E O' \\x \"$a ${b:-1} \\\" ${c//x/y}\"";
  EXPECT_THAT(Text(word, {}, options), IsOkAndHolds(word));
  ASSERT_OK_AND_ASSIGN(const ExpandedWord result, ExpandWord("cat <<  EOF > a<b", In({}), options));
  EXPECT_THAT(result.words, ElementsAre("cat", "<<  EOF", ">", "a<b"));
}

TEST(WordsTest, ErrorsNameTheWord) {
  for (const char* bad : {"'a", "\"a", "${a", "${", "${}", "${:-x}", "${a!}", "${a:x}", "${a:#x}",
                          "${a:", "\"${a\""}) {
    EXPECT_THAT(Text(bad), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot expand")))
        << bad;
  }
}

TEST(WordsTest, KeepsBytesThatAreNotUtf8) {
  EXPECT_THAT(Text("a\xff'\xfe'\"\xfd\"\\\xfc"), IsOkAndHolds("a\xff\xfe\xfd\xfc"));
}

TEST(WordsTest, BoundsDepthAndLength) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) {
    deep += "${a:-";
  }
  EXPECT_THAT(Text(deep), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested")));
  std::string wide;
  for (int i = 0; i < 2000; ++i) {
    wide += "$a";
  }
  const Variables variables = {{"a", std::string(1000, 'x')}};
  EXPECT_THAT(Text(wide, variables),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 MiB")));
  EXPECT_THAT(Text("\"" + wide + "\"", variables),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 MiB")));
  const Variables long_value = {{"a", std::string(100'000, 'x')}};
  EXPECT_THAT(Text("${a/*x*x*x*x*y/z}", long_value), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace zlayer
