#include "daemon/frontend/dockerfile/windows_base.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

#define BASE "ghcr.io/blackleafdigital/zlayer/"

TEST(WindowsBase, StandsInForImagesOfLinux) {
  const struct {
    const char* image;
    const char* base;
  } kCases[] = {
      {"ubuntu", BASE "base:windows-ltsc2022"},
      {"debian:bookworm-slim", BASE "base:windows-ltsc2022"},
      {"alpine:3.20", BASE "base:windows-ltsc2022"},
      {"centos", BASE "base:windows-ltsc2022"},
      {"fedora:40", BASE "base:windows-ltsc2022"},
      {"rockylinux:9", BASE "base:windows-ltsc2022"},
      {"almalinux:9", BASE "base:windows-ltsc2022"},
      {"archlinux", BASE "base:windows-ltsc2022"},
      {"amazonlinux:2023", BASE "base:windows-ltsc2022"},
      {"busybox", BASE "base:windows-ltsc2022"},
      {"golang", BASE "golang:latest-windows-ltsc2022"},
      {"golang:1.22-alpine", BASE "golang:1.22-windows-ltsc2022"},
      {"go:1", BASE "golang:1-windows-ltsc2022"},
      {"node:20.11.1-bookworm", BASE "node:20.11.1-windows-ltsc2022"},
      {"node:lts", BASE "node:latest-windows-ltsc2022"},
      {"rust:1.", BASE "rust:1-windows-ltsc2022"},
      {"python:3.12.x", BASE "python:3.12-windows-ltsc2022"},
      {"python3", BASE "python:latest-windows-ltsc2022"},
      {"deno:...", BASE "deno:latest-windows-ltsc2022"},
      {"bun:1.1", BASE "bun:1.1-windows-ltsc2022"},
      {"docker.io/library/golang:1.22", BASE "golang:1.22-windows-ltsc2022"},
      {"docker.io/node:20", BASE "node:20-windows-ltsc2022"},
      {"index.docker.io/library/debian", BASE "base:windows-ltsc2022"},
      {"index.docker.io/rust", BASE "rust:latest-windows-ltsc2022"},
      {"registry.example:5000/team/python:3.11", BASE "python:3.11-windows-ltsc2022"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(WindowsBase(test.image, kDefaultLtsc), test.base) << test.image;
  }
  EXPECT_EQ(WindowsBase("golang:1.22", "ltsc2025"), BASE "golang:1.22-windows-ltsc2025");
}

TEST(WindowsBase, LeavesTheOthers) {
  for (const char* image :
       {"mcr.microsoft.com/windows/servercore:ltsc2022", "nginx", "golang-tools:1", "Debian",
        BASE "golang:1.22-windows-ltsc2022", BASE "base", "app/ubuntu-base", "", "ubuntu/", ":1",
        "golang@sha256:0000000000000000000000000000000000000000000000000000000000000000"}) {
    EXPECT_EQ(WindowsBase(image, kDefaultLtsc), std::nullopt) << image;
  }
}

TEST(WindowsBase, LinesOfWindowsServer) {
  EXPECT_TRUE(IsLtsc("ltsc2022"));
  EXPECT_TRUE(IsLtsc("ltsc2025"));
  for (const char* text : {"", "ltsc", "ltsc22", "ltsc20225", "LTSC2022", "ltsc202x", "1809"}) {
    EXPECT_FALSE(IsLtsc(text)) << text;
  }
}

TEST(WindowsBase, NanoserverIsInTheName) {
  EXPECT_TRUE(IsNanoserver("mcr.microsoft.com/windows/NanoServer:ltsc2022"));
  EXPECT_TRUE(IsNanoserver("example/my-nanoserver-base@sha256:00"));
  EXPECT_FALSE(IsNanoserver("mcr.microsoft.com/windows/servercore:nanoserver"));
  EXPECT_FALSE(IsNanoserver("debian"));
}

}  // namespace
}  // namespace zlayer
