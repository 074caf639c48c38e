#include "client/cli/command_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "client/cli/help.h"
#include "client/cli/manual.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CommandSpecTest : public ::testing::Test {
 protected:
  CommandSpecTest() {
    program_.name = "prog";
    program_.summary = "Does things.";
    program_.options.push_back(
        {{"--address"}, "A", "Where", "", {}, Completes::kNothing, "Everywhere"});
    program_.subs.push_back({"build", "Build it", "prog build -t x .", "Builds"});
    program_.subs.push_back({"list", "List all", "prog list", "Builds"});
    program_.subs.push_back({"info", "Show the daemon", "prog info", "Daemon"});
    program_.subs.push_back({"__secret", "Hidden", "", "", /*hidden=*/true});
    CommandSpec& build = program_.subs.front();
    OptionSpec tag = {
        {"-t", "--tag"},   "REF",   "Name of it, which is long enough to be wrapped", "", {},
        Completes::kImage, "Result"};
    build.options.push_back(tag);
    OptionSpec mode = {{"--mode"}, "fast|slow", "How", "fast", {"fast", "slow"}};
    mode.section = "Running";
    build.options.push_back(mode);
    OptionSpec hidden = {{"--hidden"}, "", "Not told"};
    hidden.hidden = true;
    build.options.push_back(hidden);
    OptionSpec context = {{"CONTEXT"}, "", "Where the files are", "."};
    build.arguments.push_back(context);
    OptionSpec more = {{"MORE"}, "", ".dots and -dashes"};
    more.required = more.repeated = true;
    build.arguments.push_back(more);
  }

  CommandPath Build() const { return {&program_, &program_.subs.front()}; }

  CommandSpec program_;
};

TEST_F(CommandSpecTest, FindsOptionsOfAllThatIsAbove) {
  EXPECT_EQ(FindOption(Build(), "-t")->name(), "--tag");
  EXPECT_EQ(FindOption(Build(), "--address")->name(), "--address");
  EXPECT_EQ(FindOption(Build(), "--none"), nullptr);
  EXPECT_EQ(program_.Find("list")->summary, "List all");
  EXPECT_EQ(program_.Find("lis"), nullptr);
}

TEST_F(CommandSpecTest, HelpOfACommand) {
  EXPECT_EQ(HelpText(Build(), 60),
            R"(Usage: prog build [OPTIONS] [CONTEXT] MORE...

Build it

Arguments:
  CONTEXT               Where the files are (default: .)
  MORE                  .dots and -dashes

Result:
  -t, --tag REF         Name of it, which is long enough to
                        be wrapped

Running:
      --mode fast|slow  How (default: fast)

Everywhere:
      --address A       Where
  -h, --help            Print this help

Example:
  prog build -t x .
)");
}

TEST_F(CommandSpecTest, HelpOfAGroup) {
  EXPECT_EQ(HelpText({&program_}, 80), R"(Usage: prog COMMAND

Does things.

Builds:
  build            Build it
  list             List all

Daemon:
  info             Show the daemon

Everywhere:
      --address A  Where
  -h, --help       Print this help

"prog COMMAND --help" says more of a command.
)");
}

TEST_F(CommandSpecTest, HelpFitsNarrowScreens) {
  std::istringstream lines(HelpText(Build(), 40));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 45u) << line;  // the usage line is not wrapped
  }
}

TEST_F(CommandSpecTest, ManualTellsAllThatIsNotHidden) {
  std::string page = ManualPage(program_, "1.2");
  EXPECT_THAT(page, HasSubstr("prog \\- does things\n"));
  EXPECT_THAT(page, HasSubstr(".SS prog build [OPTIONS] [CONTEXT] MORE...\nBuild it.\n"));
  EXPECT_THAT(page, HasSubstr(".TP\n\\fB\\-t\\fR, \\fB\\-\\-tag\\fR \\fIREF\\fR\nName of it"));
  EXPECT_THAT(page, HasSubstr("\n\\&.dots and \\-dashes.\n"));
  EXPECT_THAT(page, HasSubstr("How (default: fast).\n"));
  EXPECT_THAT(page, HasSubstr("prog build \\-t x .\n"));
  EXPECT_THAT(page, HasSubstr("\"prog 1.2\""));
  EXPECT_THAT(page, Not(HasSubstr("hidden")));
  EXPECT_THAT(page, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace zlayer
