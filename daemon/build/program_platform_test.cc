#include "daemon/build/program_platform.h"

#include <gtest/gtest.h>

#include <string>

#include "registry/image/platform.h"

namespace zlayer {
namespace {

using namespace std::string_literals;

// A header with bytes at offsets.
std::string Head(size_t size, const std::vector<std::pair<size_t, std::string>>& parts) {
  std::string head(size, '\0');
  for (const auto& [offset, bytes] : parts) {
    head.replace(offset, bytes.size(), bytes);
  }
  return head;
}

std::string Elf(const std::string& encoding, const std::string& machine) {
  return Head(64, {{0,
                    "\x7f"
                    "ELF\2"},
                   {5, encoding},
                   {18, machine}});
}

std::string Pe(const std::string& machine) {
  return Head(256, {{0, "MZ"}, {0x3c, "\x80\0\0\0"s}, {0x80, "PE\0\0"s}, {0x84, machine}});
}

std::string Text(std::string_view head) {
  const std::optional<v1::Platform> platform = PlatformOfProgram(head);
  return platform ? FormatPlatform(*platform) : "none";
}

TEST(ProgramPlatform, KnowsTheFormats) {
  EXPECT_EQ(Text(Elf("\1", "\x3e\0"s)), "linux/amd64");
  EXPECT_EQ(Text(Elf("\1", "\xb7\0"s)), "linux/arm64");
  EXPECT_EQ(Text(Elf("\2", "\0\x16"s)), "linux/s390x");
  EXPECT_EQ(Text(Elf("\1", "\xff\xff"s)), "linux/");
  EXPECT_EQ(Text(Pe("\x64\x86")), "windows/amd64");
  EXPECT_EQ(Text(Pe("\x64\xaa")), "windows/arm64");
  EXPECT_EQ(Text(Pe("\x4c\x01")), "windows/386");
  EXPECT_EQ(Text("\xcf\xfa\xed\xfe\x0c\0\0\1"s), "darwin/arm64");
  EXPECT_EQ(Text("\xce\xfa\xed\xfe\x07\0\0\0"s), "darwin/386");
  EXPECT_EQ(Text("\xfe\xed\xfa\xcf\1\0\0\7"s), "darwin/amd64");
  EXPECT_EQ(Text("\xca\xfe\xba\xbe\0\0\0\2"s), "darwin/");
  EXPECT_EQ(Text("\xca\xfe\xba\xbf\0\0\0\1"s), "darwin/");
}

TEST(ProgramPlatform, OthersAreNone) {
  EXPECT_EQ(Text(""), "none");
  EXPECT_EQ(Text("#!/bin/sh\n"), "none");
  EXPECT_EQ(Text("\xca\xfe\xba\xbe\0\0\0\x34"s), "none");  // a class of Java 8
  EXPECT_EQ(Text("\xca\xfe\xba\xbe\0\0\0\0"s), "none");
  EXPECT_EQ(Text("MZ"), "none");
  EXPECT_EQ(Text(Head(128, {{0, "MZ"}, {0x3c, "\xff\xff\xff\xff"}})), "none");
  EXPECT_EQ(Text(Head(128, {{0, "MZ"}, {0x3c, "\x40\0\0\0"s}, {0x40, "NE"}})), "none");
}

TEST(ProgramPlatform, ATruncatedHeaderIsNone) {
  for (const std::string& whole :
       {Elf("\1", "\x3e\0"s).substr(0, 20), Pe("\x64\x86").substr(0, 0x86),
        "\xcf\xfa\xed\xfe\x0c\0\0\1"s, "\xca\xfe\xba\xbe\0\0\0\2"s}) {
    EXPECT_NE(Text(whole), "none");
    for (size_t size = 0; size < whole.size(); ++size) {
      EXPECT_EQ(Text(std::string_view(whole).substr(0, size)), "none") << size;
    }
  }
}

}  // namespace
}  // namespace zlayer
