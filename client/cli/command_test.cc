#include "client/cli/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/cli/session.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CommandTest : public ::testing::Test {
 protected:
  CommandTest() : line_("prog", "Does things.") {
    line_.root().Option({"--global", "G", "a global"}, &global_);
    Command run = line_.root().Sub("run", "Runs", "prog run x");
    run.Argument({"CONTEXT", "", "where"}, &context_, /*required=*/false)
        .Flag({"-q,--quiet", "", "say little"}, &quiet_)
        .Option({"-f,--file", "FILE", "a file"}, &file_)
        .Option({"-t,--tag", "REF", "names"}, &tags_)
        .Option({"-n", "N", "a number"}, &number_, -3, 3)
        .Choice({"--mode", "", "how"}, &mode_, {"fast", "slow"})
        .Choice({"--state", "STATE", "which"}, &states_, {"good", "bad"});
    run.Run([this](Session&) {
      ran_ = "run";
      return absl::OkStatus();
    });
    Command group = line_.root().Sub("group", "Groups", "");
    group.RequireSub();
    Command words = line_.root().Sub("words", "Takes words", "");
    words.Hide().Words(&words_).Run([this](Session&) {
      ran_ = "words";
      return absl::OkStatus();
    });
    Command one = group.Sub("one", "One", "");
    one.Arguments({"NAME", "", "names"}, &names_);
    one.Run([this](Session&) {
      ran_ = "group one";
      return absl::OkStatus();
    });
  }

  ArgumentParser::Parsed Parse(std::vector<const char*> words) {
    words.insert(words.begin(), "prog");
    ArgumentParser::Parsed parsed = line_.Parse(static_cast<int>(words.size()), words.data());
    if (parsed.action) {
      GlobalOptions options;
      Session session(&options, std::stop_token());
      EXPECT_OK(parsed.action(session));
    }
    return parsed;
  }

  void ExpectUsage(std::vector<const char*> words, const std::string& text) {
    ArgumentParser::Parsed parsed = Parse(words);
    EXPECT_FALSE(parsed.action);
    EXPECT_EQ(parsed.exit_code, 2);
    EXPECT_THAT(parsed.text, HasSubstr(text));
    EXPECT_EQ(parsed.text.find('\n'), std::string::npos) << parsed.text;
  }

  ArgumentParser line_;
  std::string ran_, global_, context_ = ".", file_, mode_ = "fast";
  std::vector<std::string> tags_, names_, states_, words_;
  int32_t number_ = 0;
  bool quiet_ = false;
};

TEST_F(CommandTest, ReadsOptionsAndArguments) {
  Parse({"run", "-t", "a", "--tag=b", "dir", "-q", "-f", "x", "-n", "-2", "--mode", "slow"});
  EXPECT_EQ(ran_, "run");
  EXPECT_THAT(tags_, ElementsAre("a", "b"));
  EXPECT_EQ(context_, "dir");
  EXPECT_TRUE(quiet_);
  EXPECT_EQ(file_, "x");
  EXPECT_EQ(number_, -2);
  EXPECT_EQ(mode_, "slow");
}

TEST_F(CommandTest, DefaultsStay) {
  Parse({"run"});
  EXPECT_EQ(context_, ".");
  EXPECT_EQ(mode_, "fast");
}

TEST_F(CommandTest, ADashIsAValue) {
  Parse({"run", "-f", "-", "-"});
  EXPECT_EQ(file_, "-");
  EXPECT_EQ(context_, "-");
}

TEST_F(CommandTest, AnOptionTakesOneValueEachTime) {
  Parse({"run", "-t", "a", "b"});
  EXPECT_THAT(tags_, ElementsAre("a"));
  EXPECT_EQ(context_, "b");
}

TEST_F(CommandTest, ValuesAreKeptAsTheyAre) {
  Parse({"run", "-t", "a,b", "-t", "[x,y]", "-t", "k=\"v w\"", "-t", ""});
  EXPECT_THAT(tags_, ElementsAre("a,b", "[x,y]", "k=\"v w\"", ""));
}

TEST_F(CommandTest, ArgumentsAreKeptAsTheyAre) {
  Parse({"group", "one", "[a,b]", "{}", "", "x y", "--", "-t", "--"});
  EXPECT_THAT(names_, ElementsAre("[a,b]", "{}", "", "x y", "-t", "--"));
}

TEST_F(CommandTest, NamesOfFilesMayBeAnyBytes) {
  Parse({"run", "-f", "\xff"});
  EXPECT_EQ(file_, "\xff");
}

TEST_F(CommandTest, TheLastValueCounts) {
  Parse({"run", "-f", "a", "-f", "b"});
  EXPECT_EQ(file_, "b");
}

TEST_F(CommandTest, GlobalOptionsStandAnywhere) {
  Parse({"--global", "1", "run"});
  EXPECT_EQ(global_, "1");
  Parse({"run", "--global", "2"});
  EXPECT_EQ(global_, "2");
  Parse({"group", "one", "x", "--global", "3"});
  EXPECT_EQ(global_, "3");
}

TEST_F(CommandTest, InnerCommandsRun) {
  Parse({"group", "one", "x", "y"});
  EXPECT_EQ(ran_, "group one");
  EXPECT_THAT(names_, ElementsAre("x", "y"));
}

TEST_F(CommandTest, MistakesAreOneSentenceWithExitCodeTwo) {
  ExpectUsage({"run", "--wrong"}, "prog run: ");
  ExpectUsage({"run", "a", "b"}, "b");
  ExpectUsage({"run", "-t"}, "-t");
  ExpectUsage({"run", "-n", "4"}, "4");
  ExpectUsage({"run", "-n", "x"}, "x");
  ExpectUsage({"run", "--mode", "odd"}, "\"odd\" is not one of fast|slow");
  ExpectUsage({"group", "one"}, "NAME");
  ExpectUsage({"group"}, "prog group: a command is missing: one (see");
  ExpectUsage({"run", "-t", "\xff"}, "not UTF-8");
  ExpectUsage({"group", "one", "\xff"}, "not UTF-8");
  ExpectUsage({}, "prog: a command is missing: run, group (see");
  ExpectUsage({"--global"}, "--global");
  ExpectUsage({"unknown"}, "see prog --help");
}

TEST_F(CommandTest, MistakesNameWhatIsNear) {
  ExpectUsage({"run", "--fil", "x"}, "prog run: unknown option --fil; did you mean --file? (see");
  ExpectUsage({"run", "--flie=x"}, "unknown option --flie; did you mean --file?");
  ExpectUsage({"run", "--globl"}, "did you mean --global?");
  ExpectUsage({"grop", "one"}, "unknown command \"grop\"; did you mean group?");
  ExpectUsage({"group", "two"}, "prog group: unknown command \"two\" (see prog group --help)");
  ExpectUsage({"wrods"}, "unknown command \"wrods\" (see");
  ExpectUsage({"run", "--mode", "fsat"}, "not one of fast|slow");
  ExpectUsage({"run", "a", "b"}, "unexpected argument \"b\"");
}

TEST_F(CommandTest, ChoicesAreRepeated) {
  Parse({"run", "--state", "good", "--state=bad"});
  EXPECT_THAT(states_, ElementsAre("good", "bad"));
  ExpectUsage({"run", "--state", "odd"}, "\"odd\" is not one of good|bad");
}

TEST_F(CommandTest, WordsAreTakenAsTheyAre) {
  Parse({"words", "--", "run", "--mode", "odd", "--help", ""});
  EXPECT_EQ(ran_, "words");
  EXPECT_THAT(words_, ElementsAre("run", "--mode", "odd", "--help", ""));
  Parse({"words", "-x"});
  EXPECT_THAT(words_, ElementsAre("-x"));
}

TEST_F(CommandTest, TheSpecIsWhatWasAdded) {
  const CommandSpec& run = *line_.spec().Find("run");
  EXPECT_EQ(FindOption({&run}, "--mode")->default_value, "fast");
  EXPECT_THAT(FindOption({&run}, "--mode")->allowed, ElementsAre("fast", "slow"));
  EXPECT_THAT(FindOption({&run}, "-f")->names, ElementsAre("-f", "--file"));
  EXPECT_TRUE(FindOption({&run}, "--tag")->repeated);
  EXPECT_FALSE(FindOption({&run}, "-q")->takes_value);
  EXPECT_EQ(FindOption({&run}, "--file")->completes, Completes::kFile);
  EXPECT_EQ(FindOption({&run}, "--tag")->completes, Completes::kImage);
  EXPECT_EQ(FindOption({&run}, "--mode")->completes, Completes::kNothing);
  EXPECT_EQ(run.arguments.front().default_value, ".");
  EXPECT_TRUE(line_.spec().Find("words")->hidden);
}

TEST_F(CommandTest, HelpEndsWithTheExample) {
  ArgumentParser::Parsed parsed = Parse({"run", "--help"});
  EXPECT_FALSE(parsed.action);
  EXPECT_EQ(parsed.exit_code, 0);
  EXPECT_THAT(parsed.text, HasSubstr("--tag"));
  EXPECT_THAT(parsed.text, HasSubstr("Example:\n  prog run x\n"));
  EXPECT_THAT(Parse({"--help"}).text, HasSubstr("group"));
}

}  // namespace
}  // namespace zlayer
