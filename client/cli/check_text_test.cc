#include "client/cli/check_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "client/cli/source_text.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

View Plain(int width = std::numeric_limits<int>::max()) {
  View view;
  view.width = width;
  view.unicode = true;
  return view;
}

v1::CheckBuildResponse Check(const std::string& text) {
  v1::CheckBuildResponse check;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(file { name: "Dockerfile" content: "FROM busybox\nMAINTAINER me\nRUN a \\\n  b\n" })" +
          text,
      &check));
  return check;
}

constexpr char kFinding[] = R"(
  warnings {
    rule: "MaintainerDeprecated"
    message: "it is old"
    description: "what it is about"
    url: "https://example.org/x/"
    source { file: "Dockerfile" first_line: 2 last_line: 2 }
  })";

TEST(SourceTextTest, MarksTheLines) {
  v1::SourceRange source;
  source.set_file("Dockerfile");
  source.set_first_line(9);
  source.set_last_line(10);
  v1::SourceExcerpt excerpt;
  excerpt.set_first_line(8);
  for (const char* line : {"a", "b\tc", "d\x1b[31m", ""}) {
    excerpt.add_lines(line);
  }
  EXPECT_EQ(SourceText(source, excerpt, Plain()),
            "Dockerfile:9-10\n"
            "--------------------\n"
            "   8 |     a\n"
            "   9 | >>> b       c\n"
            "  10 | >>> d\n"
            "  11 |     \n"
            "--------------------\n");
  EXPECT_EQ(SourceText(source, v1::SourceExcerpt(), Plain()), "");
}

TEST(SourceTextTest, FitsATerminal) {
  v1::SourceRange source;
  source.set_first_line(1);
  v1::SourceExcerpt excerpt;
  excerpt.set_first_line(1);
  excerpt.add_lines(std::string(100, 'x'));
  EXPECT_THAT(SourceText(source, excerpt, Plain(20)), HasSubstr("   1 | >>> xxxxxxxx…\n"));
  View colour = Plain(40);
  colour.colour = true;
  EXPECT_THAT(SourceText(source, excerpt, colour), HasSubstr("\x1b["));
}

TEST(CheckTextTest, ShowsEachFindingAndTheSum) {
  EXPECT_EQ(CheckText(Check(kFinding), Plain()),
            "WARNING: MaintainerDeprecated (Dockerfile:2)\n"
            "it is old\n"
            "what it is about\n"
            "https://example.org/x/\n"
            "Dockerfile:2\n"
            "--------------------\n"
            "   1 |     FROM busybox\n"
            "   2 | >>> MAINTAINER me\n"
            "   3 |     RUN a \\\n"
            "   4 |       b\n"
            "--------------------\n"
            "\n"
            "Dockerfile: 1 finding\n");
  EXPECT_EQ(CheckText(Check(""), Plain()), "Dockerfile: no finding\n");
}

constexpr char kNestedFinding[] = R"(
  nested_files { name: "deps/Dockerfile" content: "FROM scratch\nMAINTAINER you\n" }
  warnings {
    rule: "MaintainerDeprecated"
    message: "it is old"
    source { file: "deps/Dockerfile" first_line: 2 last_line: 2 }
  })";

TEST(CheckTextTest, LinesOfANestedFileAreItsOwn) {
  EXPECT_EQ(CheckText(Check(kNestedFinding), Plain()),
            "WARNING: MaintainerDeprecated (deps/Dockerfile:2)\n"
            "it is old\n"
            "deps/Dockerfile:2\n"
            "--------------------\n"
            "   1 |     FROM scratch\n"
            "   2 | >>> MAINTAINER you\n"
            "--------------------\n"
            "\n"
            "Dockerfile: 1 finding\n");
}

TEST(CheckTextTest, AFindingNeedNoPlace) {
  EXPECT_EQ(CheckText(Check(R"(warnings { rule: "R" message: "m" })"), Plain()),
            "WARNING: R\nm\n\nDockerfile: 1 finding\n");
}

TEST(CheckJsonTest, HasTheKeysOfBuildx) {
  const Json json = Json::parse(CheckJson(Check(kFinding)));
  const Json& warning = json["warnings"][0];
  EXPECT_EQ(warning["ruleName"], "MaintainerDeprecated");
  EXPECT_EQ(warning["description"], "what it is about");
  EXPECT_EQ(warning["url"], "https://example.org/x/");
  EXPECT_EQ(warning["detail"], "it is old");
  EXPECT_EQ(warning["location"]["sourceIndex"], 0);
  EXPECT_EQ(warning["location"]["ranges"][0]["start"]["line"], 2);
  EXPECT_EQ(warning["location"]["ranges"][0]["end"]["line"], 2);
  EXPECT_EQ(json["sources"][0]["filename"], "Dockerfile");
  EXPECT_EQ(json["sources"][0]["data"], "RlJPTSBidXN5Ym94Ck1BSU5UQUlORVIgbWUKUlVOIGEgXAogIGIK");
  EXPECT_FALSE(json.contains("buildError"));
}

TEST(CheckJsonTest, SaysWhichFileAFindingIsIn) {
  const Json json = Json::parse(CheckJson(Check(kNestedFinding)));
  EXPECT_EQ(json["warnings"][0]["location"]["sourceIndex"], 1);
  EXPECT_EQ(json["sources"][0]["filename"], "Dockerfile");
  EXPECT_EQ(json["sources"][1]["filename"], "deps/Dockerfile");
}

TEST(CheckJsonTest, HasTheError) {
  const Json json = Json::parse(CheckJson(
      Check(R"(error { error: "no" detail { source { file: "Dockerfile" first_line: 3 } } })")));
  EXPECT_TRUE(json["warnings"].empty());
  EXPECT_EQ(json["buildError"]["message"], "no");
  EXPECT_EQ(json["buildError"]["location"]["ranges"][0]["start"]["line"], 3);
}

constexpr char kOutline[] = R"(
  outline {
    name: "app"
    description: "is the program"
    arguments { name: "VERSION" value: "1" description: "of \001 it" source { first_line: 2 } }
    arguments { name: "E" source { first_line: 3 } }
    secrets { id: "key" required: true }
    ssh { id: "default" }
    caches { id: "/root/.cache" }
  })";

TEST(OutlineTextTest, HasTables) {
  EXPECT_EQ(OutlineText(Check(kOutline).outline()),
            "TARGET:       app\n"
            "DESCRIPTION:  is the program\n"
            "\n"
            "BUILD ARG  VALUE  DESCRIPTION\n"
            "VERSION    1      of  it\n"
            "E                 \n"
            "\n"
            "SECRET  REQUIRED\n"
            "key     true\n"
            "\n"
            "SSH      REQUIRED\n"
            "default  false\n"
            "\n"
            "CACHE\n"
            "/root/.cache\n");
  EXPECT_EQ(OutlineText(v1::BuildOutline()), "TARGET:  (the last stage)\n");
}

TEST(OutlineJsonTest, HasTheKeysOfBuildx) {
  const Json json = Json::parse(OutlineJson(Check(kOutline)));
  EXPECT_EQ(json["name"], "app");
  EXPECT_EQ(json["args"][0]["name"], "VERSION");
  EXPECT_EQ(json["args"][0]["value"], "1");
  EXPECT_EQ(json["args"][0]["location"]["ranges"][0]["start"]["line"], 2);
  EXPECT_FALSE(json["args"][1].contains("value"));
  EXPECT_EQ(json["secrets"][0]["required"], true);
  EXPECT_FALSE(json["ssh"][0].contains("required"));
  EXPECT_EQ(json["cache"][0]["ID"], "/root/.cache");
  EXPECT_EQ(json["sources"].size(), 1u);
}

constexpr char kTargets[] = R"(
  targets { name: "base" base: "busybox" description: "has tools" source { first_line: 1 } }
  targets { base: "base" platform: "linux/amd64" is_default: true })";

TEST(TargetsTest, AreTheStages) {
  EXPECT_EQ(TargetsText(Check(kTargets)),
            "TARGET               BASE     DESCRIPTION\n"
            "base                 busybox  has tools\n"
            "(no name) (default)  base     \n");
  const Json json = Json::parse(TargetsJson(Check(kTargets)));
  EXPECT_EQ(json["targets"][0]["name"], "base");
  EXPECT_EQ(json["targets"][0]["description"], "has tools");
  EXPECT_FALSE(json["targets"][0].contains("default"));
  EXPECT_EQ(json["targets"][1]["default"], true);
  EXPECT_EQ(json["targets"][1]["platform"], "linux/amd64");
}

}  // namespace
}  // namespace zlayer
