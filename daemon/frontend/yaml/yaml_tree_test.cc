#include "daemon/frontend/yaml/yaml_tree.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

YamlFile File() { return {"f", "NOT_YAML", "NO_SENSE"}; }

TEST(YamlTreeTest, KnowsPlaces) {
  const std::string text =
      "# comment\n"
      "a: text\n"
      "b:\n"
      "  - one\n"
      "  - c: |\n"
      "      first\n"
      "      # a line of the text\n"
      "      last\n"
      "\n"
      "# comment\n"
      "d: [x,\n"
      "    y]\n";
  ASSERT_OK_AND_ASSIGN(const YamlNode root, ParseYaml(text, File()));
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.last_line, 12u);
  EXPECT_EQ(root.entries[0].value.text, "text");
  EXPECT_EQ(root.entries[0].at.line, 2u);
  EXPECT_EQ(root.entries[0].value.at.column, 4u);
  const YamlNode& list = root.entries[1].value;
  EXPECT_EQ(list.at.line, 4u);
  EXPECT_EQ(list.last_line, 8u);
  EXPECT_EQ(list.items[0].last_line, 4u);
  EXPECT_EQ(list.items[1].entries[0].value.text, "first\n# a line of the text\nlast\n");
  EXPECT_EQ(list.items[1].entries[0].value.last_line, 8u);
  EXPECT_EQ(root.entries[2].value.at.line, 11u);
  EXPECT_EQ(root.entries[2].value.last_line, 12u);
  EXPECT_EQ(root.entries[2].value.items[0].last_line, 11u);
}

TEST(YamlTreeTest, AliasesAreCopies) {
  ASSERT_OK_AND_ASSIGN(const YamlNode root, ParseYaml("a: &x {k: [v]}\nb: *x\n&k c: *k", File()));
  EXPECT_EQ(root.entries[1].value.entries[0].value.items[0].text, "v");
  EXPECT_EQ(root.entries[2].value.text, "c");
}

TEST(YamlTreeTest, AByteOrderMarkIsNoText) {
  ASSERT_OK_AND_ASSIGN(const YamlNode root,
                       ParseYaml(std::string("\xef\xbb\xbf") + "a: b", File()));
  EXPECT_EQ(root.entries[0].key, "a");
  EXPECT_EQ(root.entries[0].value.at.column, 4u);
}

TEST(YamlTreeTest, TellsNothingFromText) {
  ASSERT_OK_AND_ASSIGN(const YamlNode root, ParseYaml("[~, null, '', \"null\", ]", File()));
  EXPECT_EQ(root.items[0].kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root.items[1].kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root.items[2].kind, YamlNode::Kind::kScalar);
  EXPECT_EQ(root.items[3].kind, YamlNode::Kind::kScalar);
}

TEST(YamlTreeTest, ErrorsHaveTheReasonsOfTheirFile) {
  const absl::Status error = YamlError(YamlFault::kValidation, File(), {2, 5}, "a.b", "is bad");
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kInvalidArgument, "f:2:5: a.b: is bad"));
  EXPECT_EQ(DetailOf(error).reason(), "NO_SENSE");
  EXPECT_EQ(DetailOf(error).subject(), "a.b");
}

void ExpectRefused(const std::string& text, const std::string& where, const std::string& what) {
  const absl::Status status = ParseYaml(text, File()).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(StartsWith("f:" + where), HasSubstr(what))))
      << text.substr(0, 100);
  EXPECT_EQ(DetailOf(status).reason(), "NOT_YAML");
  EXPECT_GT(DetailOf(status).source().first_line(), 0u);
}

TEST(YamlTreeTest, RefusesWhatIsNoText) {
  ExpectRefused(std::string("a: b\nc: d\0", 10), "2:5", "control character");
  ExpectRefused("a: \xff", "1:4", "control character");
  ExpectRefused("a: b\n\x1b[31m", "2:1", "control character");
  ExpectRefused("a: \"\\0\"", "1:4", "NUL");
  ExpectRefused("", "1:1", "empty");
  ExpectRefused(std::string(kMaxYamlBytes + 1, '#'), "1:1", "1 MiB");
  ASSERT_OK(ParseYaml(std::string(kMaxYamlBytes - 6, '#') + "\na: b", File()));
}

TEST(YamlTreeTest, BoundsNesting) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  ASSERT_OK(ParseYaml(nested(32), File()));
  ExpectRefused(nested(33), "1:33", "32 deep");
  ExpectRefused(std::string(200'000, '['), "1:", "");
  ExpectRefused(std::string(200'000, '{'), "1:", "");
  std::string blocks;
  for (int i = 0; i < 1000; ++i) {
    blocks += std::string(i, ' ') + "a:\n";
  }
  ExpectRefused(blocks, "32:32: ", "32 deep");
  // An alias brings its own depth.
  ExpectRefused("- &a " + nested(20) + "\n- [[[[[[[[[[[[[*a]]]]]]]]]]]]]", "2:16: ", "32 deep");
}

TEST(YamlTreeTest, BoundsWhatAliasesMultiply) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int copy = 0; copy < 8; ++copy) {
      laughs += ", " + before;
    }
    laughs += "]\n";
  }
  ExpectRefused(laughs, "", "100000 values");
  std::string bytes = "a: &a " + std::string(100'000, 'x') + "\nb:\n";
  for (int i = 0; i < 100; ++i) {
    bytes += "- *a\n";
  }
  ExpectRefused(bytes, "", "4 MiB");
  std::string many = "a: [";
  for (int i = 0; i < 200'000; ++i) {
    many += "x,";
  }
  ExpectRefused(many + "]", "1:", "100000 values");
}

}  // namespace
}  // namespace zlayer
