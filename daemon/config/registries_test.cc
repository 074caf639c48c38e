#include "daemon/config/registries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/files.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RegistriesTest, WhatCannotBeUsedIsRefusedAtTheStart) {
  ASSERT_OK_AND_ASSIGN(const ScopedDirectory directory, ScopedDirectory::Make("/tmp", "config-"));
  const std::string file = directory.path() + "/pem";
  ASSERT_OK(WriteFileAtomically(file, "x"));
  Config config;
  Config::Registry& registry = config.registries.emplace_back();
  const auto error = [&config] { return RegistryOptionsOf(config).status(); };
  registry.name = "reg.example:5000";
  registry.mirrors = "https://one.example/prefix  http://localhost:5000";
  registry.ca_file = registry.client_cert = registry.client_key = file;
  ASSERT_OK_AND_ASSIGN(const RegistryClientOptions options, RegistryOptionsOf(config));
  EXPECT_THAT(options.registries[0].mirrors,
              ElementsAre("https://one.example/prefix", "http://localhost:5000"));

  registry.mirrors = "ftp://one.example";
  EXPECT_THAT(error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("mirrors of reg.example:5000")));
  registry.mirrors = "";
  for (std::string* path : {&registry.ca_file, &registry.client_cert, &registry.client_key}) {
    *path = "/none/pem";
    EXPECT_THAT(error(), StatusIs(absl::StatusCode::kNotFound,
                                  AllOf(HasSubstr("of reg.example:5000"), HasSubstr("/none/pem"))));
    *path = file;
  }
  config.registries.push_back(registry);
  EXPECT_THAT(error(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("twice")));
}

}  // namespace
}  // namespace zlayer
