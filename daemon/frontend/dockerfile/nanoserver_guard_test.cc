#include "daemon/frontend/dockerfile/nanoserver_guard.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

TEST(NanoserverGuard, FindsEveryCommand) {
  const struct {
    const char* script;
    const char* tool;
  } kCases[] = {
      {"choco install git", "choco"},
      {"winget install git", "winget"},
      {R"(C:\ProgramData\chocolatey\bin\Choco.EXE install git)", "choco"},
      {"@choco install git", "choco"},
      {"echo x && choco install git", "choco"},
      {"echo x; winget.exe install git", "winget"},
      {"echo x || choco install git", "choco"},
      {"echo y | choco install git", "choco"},
      {"echo x & choco install git", "choco"},
      {"echo x\nchoco install git", "choco"},
      {"echo x\r\n  choco install git", "choco"},
      {"(choco install git)", "choco"},
      {"if ($x) { choco install git }", "choco"},
      {"& 'C:\\tools\\choco.exe' install git", "choco"},
      {"call choco install git", "choco"},
      {"for %i in (a b) do choco install %i", "choco"},
      {"ch^oco install git", "choco"},
      {"\"choco\" install git", "choco"},
      {"cmd /c choco install git", "choco"},
      {"cmd.exe /S /C \"echo x && choco install git\"", "choco"},
      {"CMD /s/c choco install git", "choco"},
      {"cmd /cchoco install git", "choco"},
      {"cmd /k winget list", "winget"},
      {"powershell -Command choco install git", "choco"},
      {"powershell -NoProfile -ExecutionPolicy Bypass -Command \"echo x; choco install git\"",
       "choco"},
      {"pwsh -c 'winget list'", "winget"},
      {"pwsh -Com winget list", "winget"},
      {"powershell choco install git", "choco"},
      {"cmd /c powershell -Command \"cmd /c choco install git\"", "choco"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(PackageManagerIn(test.script), test.tool) << test.script;
  }
}

TEST(NanoserverGuard, OthersPass) {
  for (const char* script : {"",
                             "   ",
                             "echo choco",
                             "echo \"a && choco install\"",
                             "echo 'x; winget'",
                             "powershell -File choco",
                             "cmd /c echo \"a && choco install\"",
                             "powershell -ExecutionPolicy choco",
                             "cmd",
                             "cmd /c",
                             "cmd /?",
                             "powershell",
                             "powershell -Command",
                             "chocolate install",
                             "copy choco.exe C:\\",
                             "REM choco",
                             "\"",
                             "'",
                             "^",
                             "&&&&;;||",
                             "echo a ^& choco"}) {
    EXPECT_EQ(PackageManagerIn(script), "") << script;
  }
}

TEST(NanoserverGuard, LooksIntoCommandsWithoutAShell) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(PackageManagerIn(Words{"choco", "install"}), "choco");
  EXPECT_EQ(PackageManagerIn(Words{"cmd", "/S", "/C", "echo x && choco install"}), "choco");
  EXPECT_EQ(PackageManagerIn(Words{"powershell", "-Command", "winget", "list"}), "winget");
  EXPECT_EQ(PackageManagerIn(Words{"echo", "x && choco install"}), "");
  EXPECT_EQ(PackageManagerIn(Words{}), "");
}

TEST(NanoserverGuard, DepthHasAnEnd) {
  std::string script = "choco";
  for (int i = 0; i < 2000; ++i) {
    script.insert(0, "cmd /c ");
  }
  EXPECT_EQ(PackageManagerIn(script), "");
}

}  // namespace
}  // namespace zlayer
