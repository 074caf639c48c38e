#include "daemon/frontend/dockerfile/lexer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/directive.h"
#include "daemon/frontend/dockerfile/heredoc.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

absl::StatusOr<std::string> Dump(std::string_view text) {
  absl::StatusOr<LexedDockerfile> lexed = LexDockerfile(text, "Dockerfile");
  if (!lexed.ok()) {
    return lexed.status();
  }
  return DumpAst(lexed->nodes);
}

LexedDockerfile Lexed(std::string_view text) {
  absl::StatusOr<LexedDockerfile> lexed = LexDockerfile(text, "Dockerfile");
  EXPECT_OK(lexed);
  return lexed.ok() ? *std::move(lexed) : LexedDockerfile();
}

TEST(LexerConformanceTest, SyntaxTreesAreBuildKits) {
  const char* shared = std::getenv("ZLAYER_SHARED");
  const std::filesystem::path folder =
      std::filesystem::path(shared == nullptr ? "" : shared) / "conformance/dockerfile-ast";
  if (shared == nullptr || !std::filesystem::is_directory(folder)) {
    GTEST_SKIP() << "ZLAYER_SHARED does not name a folder with the conformance data";
  }
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(entry.path() / "Dockerfile"));
    ASSERT_OK_AND_ASSIGN(const std::string expected, ReadFile(entry.path() / "result"));
    EXPECT_THAT(Dump(text), IsOkAndHolds(Trim(expected))) << entry.path();
    ++cases;
  }
  EXPECT_GT(cases, 0);
}

TEST(LexerTest, KeepsKeywordFlagsAndText) {
  const LexedDockerfile lexed =
      Lexed("CoPy --from=a  --chown='x y':z \"--q=1\" a   b /\nFOO bar baz\n");
  ASSERT_THAT(lexed.nodes, SizeIs(2));
  const DockerfileNode& copy = lexed.nodes[0];
  EXPECT_EQ(copy.keyword, "copy");
  EXPECT_EQ(copy.keyword_text, "CoPy");
  EXPECT_THAT(copy.flags, ElementsAre("--from=a", "--chown=x y:z"));
  EXPECT_EQ(copy.arguments_text, "\"--q=1\" a   b /");
  EXPECT_THAT(copy.arguments, ElementsAre("\"--q=1\"", "a", "b", "/"));
  EXPECT_EQ(lexed.nodes[1].keyword, "foo");
  EXPECT_EQ(DumpAst({lexed.nodes[1]}), "(foo \"\")");
}

TEST(LexerTest, CountsLines) {
  const LexedDockerfile lexed = Lexed("# hello\n# world\nFROM a\n\nRUN b \\\n# c\n  d\nRUN e");
  ASSERT_THAT(lexed.nodes, SizeIs(3));
  EXPECT_THAT(lexed.nodes[0].comments, ElementsAre("hello", "world"));
  EXPECT_EQ(lexed.nodes[0].first_line, 3u);
  EXPECT_EQ(lexed.nodes[1].first_line, 5u);
  EXPECT_EQ(lexed.nodes[1].last_line, 7u);
  EXPECT_EQ(lexed.nodes[1].arguments[0], "b   d");
  EXPECT_EQ(lexed.nodes[2].last_line, 8u);
  EXPECT_THAT(lexed.nodes[2].comments, IsEmpty());
}

TEST(LexerTest, ReadsByteOrderMarkAndCarriageReturns) {
  EXPECT_THAT(Dump("\xef\xbb\xbf# escape=`\r\nFROM a\r\nRUN b `\r\n  c\r\n"),
              IsOkAndHolds("(from \"a\")\n(run \"b   c\")"));
}

TEST(LexerTest, ReadsDirectives) {
  const LexedDockerfile lexed =
      Lexed("#syntax=docker/dockerfile:1\n# CHECK = skip=all\n#escape=`\nFROM a\n# escape=\\\n");
  ASSERT_THAT(lexed.directives, SizeIs(3));
  EXPECT_EQ(lexed.directives[0].value, "docker/dockerfile:1");
  EXPECT_EQ(lexed.directives[1].name, "check");
  EXPECT_EQ(lexed.directives[1].line, 2u);
  EXPECT_EQ(lexed.escape, '`');
  EXPECT_EQ(Lexed("\n#escape=`\nFROM a").escape, '\\');
  EXPECT_EQ(Lexed("# other=1\n#escape=`\nFROM a").escape, '\\');
}

TEST(LexerTest, FindsTheFrontend) {
  const std::pair<const char*, const char*> cases[] = {
      {"# syntax=docker/dockerfile:1\nFROM x", "1 docker/dockerfile:1"},
      {"\xef\xbb\xbf#check=skip=all\n#SYNTAX = a/b  --opt\r\nFROM x", "2 a/b"},
      {"#!/usr/bin/env x\n# syntax=a\n", "2 a"},
      {"// syntax=a", "1 a"},
      {" {\"x\": 1, \"syntax\": \"a\"}", "1 a"},
      {"# comment\n# syntax=a", ""},
      {"FROM x\n# syntax=a", ""},
      {"{\"syntax\": 1}", ""},
      {"{[", ""},
      {"", ""},
  };
  for (const auto& [text, expected] : cases) {
    const std::optional<SyntaxDirective> found = DetectSyntax(text);
    EXPECT_EQ(found ? std::to_string(found->line) + " " + found->frontend : "", expected) << text;
  }
  for (const char* good : {"docker/dockerfile:1", "docker.io/docker/dockerfile:1.20-labs",
                           "docker/dockerfile:1-labs", "docker/dockerfile:1.4@sha256:0"}) {
    EXPECT_TRUE(IsDockerfileFrontend(good)) << good;
  }
  for (const char* bad : {"docker/dockerfile:2", "docker/dockerfile:10", "x/dockerfile:1",
                          "docker/dockerfile-upstream:master", ""}) {
    EXPECT_FALSE(IsDockerfileFrontend(bad)) << bad;
  }
}

TEST(LexerTest, KeepsTheCommentsInFrontOfAnInstruction) {
  ASSERT_OK_AND_ASSIGN(
      const LexedDockerfile lexed,
      LexDockerfile("# escape=`\n# old\n#\n# a b\n#c\nFROM x\nRUN `\n# inside\n y\n", "f"));
  EXPECT_THAT(lexed.nodes[0].comments, ElementsAre("a b", "c"));
  EXPECT_THAT(lexed.nodes[1].comments, IsEmpty());
}

TEST(LexerTest, JsonIsReadAsGoReadsIt) {
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {R"(["\ud83d\ude00", "\uD83Dx", "\udE00", "\\ud800"])",
       {"\U0001f600", "\ufffdx", "\ufffd", "\\ud800"}},
      {"[\"a\xff\"]", {"a\ufffd"}},
      {R"( [ "a" ] )", {"a"}},
  };
  for (const auto& [json, words] : cases) {
    ASSERT_OK_AND_ASSIGN(const LexedDockerfile lexed, LexDockerfile("CMD " + json, "f"));
    EXPECT_TRUE(lexed.nodes[0].json) << json;
    EXPECT_EQ(lexed.nodes[0].arguments, words) << json;
  }
  for (const char* text :
       {R"(["a",])", R"(["a"] b)", R"(['a'])", R"(["\u12"])", "[", R"(["a)", "[\"a\\", "[1, [",
        "[1e999]"}) {
    ASSERT_OK_AND_ASSIGN(const LexedDockerfile lexed,
                         LexDockerfile(std::string("CMD ") + text, "f"));
    EXPECT_FALSE(lexed.nodes[0].json) << text;
  }
}

TEST(LexerTest, JsonThatIsNestedTooDeepIsShell) {
  const auto nested = [](size_t depth) {
    return "CMD " + std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_THAT(LexDockerfile(nested(10'000), "f"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(Lexed(nested(10'001)).nodes[0].json);
}

TEST(LexerTest, TheEscapeCharacterCountsInFlags) {
  ASSERT_OK_AND_ASSIGN(const LexedDockerfile lexed,
                       LexDockerfile("# escape=`\nRUN --mount=target=C:\\x` y z\n", "f"));
  EXPECT_THAT(lexed.nodes[0].flags, ElementsAre("--mount=target=C:\\x y"));
}

TEST(LexerTest, RefusesBadDirectives) {
  EXPECT_THAT(Dump("#escape=x\nFROM a"), StatusIs(absl::StatusCode::kInvalidArgument,
                                                  HasSubstr("Dockerfile:1: the directive")));
  EXPECT_THAT(Dump("#syntax=a\n#syntax=b\nFROM a"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Dockerfile:2: ")));
}

TEST(LexerTest, WarnsAboutEmptyContinuation) {
  const LexedDockerfile lexed = Lexed("FROM a\nRUN b \\\n\n  c\nRUN d \\\n# x\n  e\n");
  ASSERT_THAT(lexed.warnings, SizeIs(1));
  EXPECT_EQ(lexed.warnings[0].rule, "NoEmptyContinuation");
  EXPECT_EQ(lexed.warnings[0].first_line, 2u);
}

TEST(LexerTest, ReadsNamesAndValues) {
  EXPECT_THAT(
      Dump("ENV a=b c=\"d e\" f=g\\ h"),
      IsOkAndHolds("(env \"a\" \"b\" \"=\" \"c\" \"\\\"d e\\\"\" \"=\" \"f\" \"g\\\\ h\" \"=\")"));
  EXPECT_THAT(Dump("LABEL a b=c"), IsOkAndHolds("(label \"a\" \"b=c\" \"\")"));
  EXPECT_THAT(Dump("ENV\nARG"), IsOkAndHolds("(env)\n(arg)"));
  EXPECT_THAT(Dump("FROM a\nENV a"), StatusIs(absl::StatusCode::kInvalidArgument,
                                              HasSubstr("Dockerfile:2: ENV a has a name")));
  EXPECT_THAT(Dump("ENV a=b c"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"c\"")));
}

TEST(LexerTest, JsonListsMustHoldStrings) {
  EXPECT_THAT(Dump("RUN [\"a\", 1]"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("only strings")));
  for (const char* text : {"[null]", R"([["a"]])", R"([{"a":"b"}])", "[true]", "[1.5]", "[[]]"}) {
    EXPECT_THAT(Dump(std::string("COPY ") + text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("only strings")))
        << text;
  }
  EXPECT_THAT(Dump("RUN [ -f x ] && y"), IsOkAndHolds("(run \"[ -f x ] && y\")"));
  EXPECT_THAT(Dump("CMD [\"a\\n\\u00e9\"]"), IsOkAndHolds("(cmd \"a\\n\u00e9\")"));
  EXPECT_TRUE(Lexed("CMD []").nodes[0].json);
}

TEST(LexerTest, KeepsHeredocs) {
  const LexedDockerfile lexed = Lexed(
      "RUN <<EOF cat 3<<-'X' \\\n > y\nFROM a\r\n  EOF\nEOF\n\tb $c\n\tX\n"
      "COPY a << \"b c\" /\nz\nb c\nONBUILD RUN <<E\nw\nE\nCMD <<no\n");
  ASSERT_THAT(lexed.nodes, SizeIs(4));
  const DockerfileNode& run = lexed.nodes[0];
  ASSERT_THAT(run.heredocs, SizeIs(2));
  EXPECT_EQ(run.heredocs[0].name, "EOF");
  EXPECT_EQ(run.heredocs[0].content, "FROM a\r\n  EOF\n");
  EXPECT_TRUE(run.heredocs[0].expand);
  EXPECT_EQ(run.heredocs[1].name, "X");
  EXPECT_EQ(run.heredocs[1].descriptor, 3u);
  EXPECT_TRUE(run.heredocs[1].chomp);
  EXPECT_FALSE(run.heredocs[1].expand);
  EXPECT_EQ(run.heredocs[1].content, "\tb $c\n");
  EXPECT_EQ(run.last_line, 7u);
  ASSERT_THAT(lexed.nodes[2].heredocs, SizeIs(1));
  EXPECT_THAT(lexed.nodes[3].heredocs, IsEmpty());
}

TEST(LexerTest, WhatLooksLikeAHeredocIsNone) {
  for (const char* text : {"RUN echo $((1<<2))x", "RUN [\"<<EOF\"]", "RUN \"<<EOF\"", "RUN a<<<b",
                           "ENV a=<<EOF", "RUN cat \\<<EOF", "RUN 'unclosed <<EOF"}) {
    EXPECT_THAT(Lexed(text).nodes[0].heredocs, IsEmpty()) << text;
  }
  EXPECT_TRUE(IsHeredocWord("<<EOF"));
  EXPECT_FALSE(IsHeredocWord("a<<EOF"));
}

TEST(LexerTest, RefusesWhatDoesNotEnd) {
  EXPECT_THAT(Dump("FROM a\nRUN <<EOF\nb\n"), StatusIs(absl::StatusCode::kInvalidArgument,
                                                       StartsWith("Dockerfile:2: the heredoc")));
}

TEST(LexerTest, ErrorsCarryTheRange) {
  const absl::Status status = Dump("FROM a\nENV \\\n a\n").status();
  const v1::SourceRange source = DetailOf(status).source();
  EXPECT_EQ(source.file(), "Dockerfile");
  EXPECT_EQ(source.first_line(), 2u);
  EXPECT_EQ(source.last_line(), 3u);
}

TEST(LexerTest, RefusesEmptyAndHugeFiles) {
  for (const char* empty : {"", "\n\n", "# only\n# comments\n"}) {
    EXPECT_THAT(Dump(empty),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no instructions")));
  }
  EXPECT_THAT(Dump(std::string((1 << 20) + 1, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 MiB")));
  std::string many;
  for (int i = 0; i < 10'001; ++i) {
    many += "USER a\n";
  }
  EXPECT_THAT(Dump(many), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("10000")));
}

TEST(LexerTest, SurvivesHostileInput) {
  std::string nested;
  for (int i = 0; i < 100'000; ++i) {
    nested += "ONBUILD ";
  }
  EXPECT_THAT(Dump(nested + "RUN x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nested")));
  EXPECT_OK(Dump("RUN " + std::string(500'000, '[')));
  EXPECT_OK(Dump("RUN \xff\xfe\x00 b"));
  EXPECT_OK(Dump("\\\n\\\n\\"));
  EXPECT_OK(Dump("COPY --"));
  EXPECT_OK(Dump("ENV a=\"\\"));
}

}  // namespace
}  // namespace zlayer
