#include "client/cli/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/cli/completion_scripts.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FakeSource : public CompletionSource {
 public:
  std::vector<Candidate> Images(const WrittenCommand& written) override {
    last = written;
    return {{"app:1", "1 kB"}, {"debian:bookworm", ""}};
  }
  std::vector<Candidate> Builds(const WrittenCommand& written) override {
    last = written;
    return {{"b2", "failed"}, {"b1", "succeeded"}};
  }
  std::vector<Candidate> Stages(const WrittenCommand& written) override {
    last = written;
    return {{"builder", "FROM x"}};
  }
  std::vector<Candidate> BuildArgs(const WrittenCommand& written) override {
    last = written;
    return {{"VERSION=", "1"}};
  }
  std::vector<Candidate> Runtimes() override { return {{"auto", ""}, {"go", "A Go program"}}; }

  WrittenCommand last;
};

OptionSpec MakeOption(std::vector<std::string> names, Completes completes) {
  OptionSpec option;
  option.names = std::move(names);
  option.completes = completes;
  option.help = "help of " + option.name();
  return option;
}

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() {
    program_.name = "prog";
    program_.options.push_back(MakeOption({"--global"}, Completes::kNothing));
    CommandSpec& build = Add(program_, "build");
    build.options.push_back(MakeOption({"-f", "--file"}, Completes::kFile));
    build.options.push_back(MakeOption({"-t", "--tag"}, Completes::kImage));
    build.options.back().repeated = true;
    build.options.push_back(MakeOption({"--target"}, Completes::kStage));
    build.options.push_back(MakeOption({"--build-arg"}, Completes::kBuildArg));
    build.options.push_back(MakeOption({"--build-context"}, Completes::kNamedDirectory));
    build.options.push_back(MakeOption({"--runtime"}, Completes::kRuntime));
    build.options.push_back(MakeOption({"-q", "--quiet"}, Completes::kNothing));
    build.options.back().takes_value = false;
    build.options.push_back(MakeOption({"--progress"}, Completes::kNothing));
    build.options.back().allowed = {"auto", "plain"};
    build.options.push_back(MakeOption({"--secret"}, Completes::kNothing));
    build.options.back().hidden = true;
    build.arguments.push_back(MakeOption({"CONTEXT"}, Completes::kDirectory));
    CommandSpec& builds = Add(program_, "builds");
    CommandSpec& show = Add(builds, "show");
    show.arguments.push_back(MakeOption({"ID"}, Completes::kBuild));
    show.arguments.back().repeated = true;
    Add(program_, "__hidden").hidden = true;
  }

  static CommandSpec& Add(CommandSpec& parent, const std::string& name) {
    CommandSpec& command = parent.subs.emplace_back();
    command.name = name;
    command.summary = "summary of " + name;
    return command;
  }

  std::vector<std::string> Words(std::vector<std::string> words) {
    Completion completion = Complete(program_, words, source_);
    kind_ = completion.kind;
    std::vector<std::string> texts;
    for (const Candidate& candidate : completion.candidates) {
      texts.push_back(candidate.text);
    }
    return texts;
  }

  CommandSpec program_;
  FakeSource source_;
  Completion::Kind kind_ = Completion::Kind::kWords;
};

TEST_F(CompletionTest, Commands) {
  EXPECT_THAT(Words({""}), ElementsAre("build", "builds"));
  EXPECT_THAT(Words({"builds"}), ElementsAre("builds"));
  EXPECT_THAT(Words({"x"}), IsEmpty());
  EXPECT_THAT(Words({"builds", ""}), ElementsAre("show"));
  EXPECT_THAT(Words({"--global", "build", "b"}), ElementsAre("build", "builds"));
  EXPECT_THAT(Words({}), ElementsAre("build", "builds"));
  EXPECT_EQ(Complete(program_, {"builds", "s"}, source_).candidates[0].description,
            "summary of show");
}

TEST_F(CompletionTest, OptionsThatMayStillCome) {
  EXPECT_THAT(Words({"build", "--t"}), ElementsAre("--tag", "--target"));
  EXPECT_THAT(Words({"build", "--tag", "x", "--target", "y", "--t"}), ElementsAre("--tag"));
  EXPECT_THAT(Words({"build", "-q", "--q"}), IsEmpty());
  EXPECT_THAT(Words({"build", "-q"}), ElementsAre("-q"));
  EXPECT_THAT(Words({"build", "--g"}), ElementsAre("--global"));
  EXPECT_THAT(Words({"build", "--h"}), ElementsAre("--help"));
  EXPECT_THAT(Words({"build", "--sec"}), IsEmpty());
  EXPECT_THAT(Words({"builds", "show", "-"}), ElementsAre("--global", "--help"));
}

TEST_F(CompletionTest, ValuesOfOptions) {
  EXPECT_THAT(Words({"build", "--progress", ""}), ElementsAre("auto", "plain"));
  EXPECT_THAT(Words({"build", "--progress=p"}), ElementsAre("--progress=plain"));
  EXPECT_THAT(Words({"build", "-t", "deb"}), ElementsAre("debian:bookworm"));
  EXPECT_THAT(Words({"build", "-qt", "a"}), ElementsAre("app:1"));
  EXPECT_THAT(Words({"build", "--tag="}), ElementsAre("--tag=app:1", "--tag=debian:bookworm"));
  EXPECT_THAT(Words({"build", "--build-arg", "V"}), ElementsAre("VERSION="));
  EXPECT_THAT(Words({"build", "--build-arg", "VERSION=1"}), IsEmpty());
  EXPECT_THAT(Words({"build", "--quiet="}), IsEmpty());
  EXPECT_THAT(Words({"build", "--none="}), IsEmpty());
  EXPECT_EQ(kind_, Completion::Kind::kWords);
}

TEST_F(CompletionTest, FilesAndDirectoriesAreTheShells) {
  Words({"build", "-f", "x"});
  EXPECT_EQ(kind_, Completion::Kind::kFiles);
  Words({"build", "--file="});
  EXPECT_EQ(kind_, Completion::Kind::kFiles);
  Words({"build", ""});
  EXPECT_EQ(kind_, Completion::Kind::kDirectories);
  Words({"build", "--", "-x"});
  EXPECT_EQ(kind_, Completion::Kind::kDirectories);
  Words({"build", "--build-context", "x=/"});
  EXPECT_EQ(kind_, Completion::Kind::kDirectories);
  Words({"build", "--build-context", "x"});
  EXPECT_EQ(kind_, Completion::Kind::kWords);
  Words({"build", "dir", ""});
  EXPECT_EQ(kind_, Completion::Kind::kWords) << "there is one context only";
}

TEST_F(CompletionTest, SourcesSeeWhatWasWritten) {
  EXPECT_THAT(Words({"--global=g", "build", "-fx", "-f", "y", "dir", "--target", ""}),
              ElementsAre("builder"));
  EXPECT_EQ(source_.last.Last("--file"), "y");
  EXPECT_EQ(source_.last.Last("--global"), "g");
  EXPECT_EQ(source_.last.Last("--tag"), "");
  EXPECT_THAT(source_.last.arguments, ElementsAre("dir"));
  EXPECT_EQ(FullName(source_.last.path), "prog build");
}

TEST_F(CompletionTest, AnArgumentIsNotOfferedTwice) {
  EXPECT_THAT(Words({"builds", "show", ""}), ElementsAre("b2", "b1"));
  EXPECT_THAT(Words({"builds", "show", "b2", "b"}), ElementsAre("b1"));
}

TEST(FormatCompletionTest, IsALineEach) {
  Completion completion;
  completion.candidates = {{"a", "text\twith\nlines"}, {"b\n", "left out"}, {"c", ""}};
  EXPECT_EQ(FormatCompletion(completion), "words\na\ttext with lines\nc\n");
  EXPECT_EQ(FormatCompletion({Completion::Kind::kFiles, {}}), "files\n");
  EXPECT_EQ(FormatCompletion({Completion::Kind::kDirectories, {}}), "directories\n");
}

TEST(CompletionScriptTest, EachShellHasItsOwn) {
  EXPECT_NE(CompletionScript("bash").find("complete -F"), std::string_view::npos);
  EXPECT_NE(CompletionScript("zsh").find("compdef"), std::string_view::npos);
  EXPECT_NE(CompletionScript("fish").find("complete -c"), std::string_view::npos);
}

}  // namespace
}  // namespace zlayer
