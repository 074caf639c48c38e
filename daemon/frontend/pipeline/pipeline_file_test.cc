#include "daemon/frontend/pipeline/pipeline_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/errors.h"
#include "base/files.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `bazel run` of this test with ZLAYER_UPDATE_GOLDEN=1 writes what is expected anew.
constexpr std::string_view kTestdata = "daemon/frontend/pipeline/testdata";

absl::StatusOr<PipelineFile> Parse(std::string_view text, PipelineVariables set = {}) {
  PipelineFileOptions options;
  options.name = "ZPipeline.yaml";
  options.set = std::move(set);
  return ParsePipelineFile(text, options);
}

std::string Error(std::string_view text) {
  const absl::StatusOr<PipelineFile> file = Parse(text);
  return file.ok() ? "no error" : std::string(Message(file.status()));
}

std::string Dump(const PipelineFile& file) {
  std::string text = fmt::format("push: {}\n", file.push_after_all);
  for (const PipelineFileImage& image : file.images) {
    v1::InlineFile build_file;
    build_file.set_name(image.file);
    std::string spec;
    google::protobuf::TextFormat::Printer printer;
    printer.PrintToString(SpecOf(file, image, build_file), &spec);
    text += fmt::format("\nimage {} in {} after [{}]\n{}", image.name, image.context,
                        Join(image.depends_on, ", "), spec);
  }
  return text;
}

std::filesystem::path Testdata() {
  const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  return std::filesystem::path(workspace == nullptr ? "." : workspace) / kTestdata;
}

TEST(PipelineFileTest, Golden) {
  std::set<std::filesystem::path> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(Testdata())) {
    if (entry.path().extension() == ".yaml") {
      inputs.insert(entry.path());
    }
  }
  ASSERT_GE(inputs.size(), 5u);
  for (const std::filesystem::path& input : inputs) {
    ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(input, 1 << 20));
    ASSERT_OK_AND_ASSIGN(const PipelineFile file, Parse(text));
    const std::string golden = std::filesystem::path(input).replace_extension(".txt");
    if (std::getenv("ZLAYER_UPDATE_GOLDEN") != nullptr) {
      ASSERT_OK(WriteFileAtomically(golden, Dump(file)));
    }
    ASSERT_OK_AND_ASSIGN(const std::string expected, ReadFile(golden, 1 << 20));
    EXPECT_EQ(Dump(file), expected) << input;
  }
}

TEST(PipelineFileTest, ErrorsNamePlaceKeyAndMessage) {
  const struct {
    const char* text;
    const char* error;
  } kRows[] = {
      {"", "1:1: the file is empty"},
      {"vars: {}", "1:1: a pipeline has images: name at least one under images"},
      {"images: {}", "1:9: images: a pipeline has images: name at least one under images"},
      {"- a", "1:1: is a list, and not a map of keys to values"},
      {"images: [a]", "1:9: images: is a list, and not a map of keys to values"},
      {"images:\n  a: {file: x\n", "3:1: this is not YAML: end of map flow not found"},
      {"--- {}\n--- {}\n", "2:1: a second document begins here; a file has one"},
      {"image: {}", "1:1: image: there is no key \"image\"; did you mean images?"},
      {"volumes: {}",
       "1:1: volumes: there is no key \"volumes\"; there are cache, defaults, images, push, vars, "
       "version"},
      {"images:\n  a:\n    fiel: x",
       "3:5: images.a.fiel: there is no key \"fiel\"; did you mean file?"},
      {"images: {a: {file: x, file: y}}", "1:23: images.a: the key \"file\" is given twice"},
      {"images: {a: {file: x}, a: {file: y}}", "1:24: images: the key \"a\" is given twice"},
      {"images: {a: {<<: {file: x}}}",
       "1:14: images.a[\"<<\"]: merge keys (<<) are not taken; say under defaults what images "
       "share"},
      {"defaults: {<<: {no_cache: true}}\nimages: {a: {file: x}}",
       "1:12: defaults[\"<<\"]: merge keys (<<) are not taken"},
      {"images: {? [a] : {file: x}}", "1:12: images: a key is not a plain word"},
      {"images: {a: {tags: [x]}}",
       "1:13: images.a: the image has no file: name its Dockerfile or ZImagefile"},
      {"images: {a: }", "1:10: images.a: the image has no file: name its Dockerfile or ZImagefile"},
      {"images: {a: {file: }}",
       "1:14: images.a.file: is empty, and not a text; an empty one is written \"\""},
      {"images: {a: {file: \"\"}}", "1:20: images.a.file: the path is empty"},
      {"images: {a: {file: [x]}}", "1:20: images.a.file: is a list, and not a text"},
      {"images: {a b: {file: x}}",
       "1:10: images[\"a b\"]: an image's name has no white space, comma or control character"},
      {"images: {a: {file: x, tags: t}}", "1:29: images.a.tags: is a plain value, and not a list"},
      {"images: {a: {file: x, tags: [[t]]}}", "1:30: images.a.tags[0]: is a list, and not a text"},
      {"images: {a: {file: x, tags: [\"${V}\"]}}",
       "1:30: images.a.tags[0]: the variable V is not set: declare it under vars, or write "
       "${NAME:-default}"},
      {"images: {a: {file: x, build_args: [A=b]}}",
       "1:35: images.a.build_args: is a list, and not a map of keys to values"},
      {"images: {a: {file: x, build_args: {A: {}}}}",
       "1:39: images.a.build_args.A: is a map, and not a text"},
      {"images: {a: {file: x, no_cache: yes}}",
       "1:33: images.a.no_cache: is true or false, not \"yes\""},
      {"images: {a: {file: x, format: OCI}}",
       "1:31: images.a.format: is one of oci, docker, not \"OCI\"; did you mean oci?"},
      {"images: {a: {file: x, retries: -1}}",
       "1:32: images.a.retries: is a number from 0 to 4294967295, not \"-1\""},
      {"images: {a: {file: x, os: solaris}}",
       "1:27: images.a.os: is one of linux, windows, darwin, not \"solaris\""},
      {"images: {a: {file: x, platforms: [amd64]}}",
       "1:35: images.a.platforms[0]: \"amd64\" is not a platform such as linux/amd64"},
      {"images: {a: {file: x, platforms: [linux/]}}",
       "1:35: images.a.platforms[0]: \"linux/\" is not a platform such as linux/amd64"},
      {"images: {a: {file: x, os: linux, platforms: [windows/amd64]}}",
       "1:13: images.a: the platform windows/amd64 is not for linux, which the image's os or "
       "another platform says"},
      {"images: {a: {file: x, cache_mounts: [{id: y}]}}",
       "1:38: images.a.cache_mounts[0]: the cache mount has no target"},
      {"images: {a: {file: x, cache_mounts: [{target: y}]}}",
       "1:47: images.a.cache_mounts[0].target: the target is not an absolute path"},
      {"images: {a: {file: x, cache_mounts: [{target: /y, sharing: lock}]}}",
       "1:60: images.a.cache_mounts[0].sharing: is one of shared, private, locked, not "
       "\"lock\"; did you mean locked?"},
      {"images: {a: {file: x, depends_on: [b]}}",
       "1:35: images.a.depends_on: \"a\" depends on \"b\", which is no image of the pipeline"},
      {"images: {a: {file: x, depends_on: [b]}, b: {file: x, depends_on: [a]}}",
       "1:35: images.a.depends_on: the images depend on each other in a circle: a -> b -> a"},
      {"vars: {1A: x}\nimages: {a: {file: x}}",
       "1:8: vars.1A: a variable's name is letters, digits and '_', and no digit first"},
      {"push: {after_al: true}\nimages: {a: {file: x}}",
       "1:8: push.after_al: there is no key \"after_al\"; did you mean after_all?"},
      {"cache: {type: disk}\nimages: {a: {file: x}}",
       "1:15: cache.type: is one of memory, persistent, s3, not \"disk\""},
      {"cache: {size: 1}\nimages: {a: {file: x}}",
       "1:9: cache.size: there is no key \"size\"; there are bucket, endpoint, path, prefix, "
       "region, "
       "type"},
      {"cache: {type: s3, bucket: b}\nimages: {a: {file: x}}",
       "1:8: cache: this version shares no caches; leave the section out: the daemon finds what it "
       "built before by itself"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(Error(row.text), fmt::format("ZPipeline.yaml:{}", row.error)) << row.text;
  }
}

TEST(PipelineFileTest, AnErrorCarriesItsLineReasonAndCircle) {
  const absl::Status status = Parse("images:\n  a:\n    file: x\n    depends_on: [a]\n").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  const v1::ErrorDetail detail = DetailOf(status);
  EXPECT_EQ(detail.reason(), "CIRCULAR_DEPENDENCY");
  EXPECT_THAT(detail.items(), ElementsAre("a", "a"));
  EXPECT_EQ(detail.source().first_line(), 4u);
  EXPECT_EQ(detail.excerpt().lines(static_cast<int>(4 - detail.excerpt().first_line())),
            "    depends_on: [a]");
  EXPECT_THAT(Parse("cache: {}\nimages: {a: {file: x}}").status(),
              StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(PipelineFileTest, AnErrorNamesItsKeyToPrograms) {
  const struct {
    const char* text;
    const char* reason;
    const char* subject;
  } kRows[] = {
      {"images:\n  a: {file: x\n", "INVALID_PIPELINE", ""},
      {"images: {a: {file: [x]}}", "INVALID_PIPELINE", "images.a.file"},
      {"images: {a: {file: x, retries: many}}", "INVALID_PIPELINE", "images.a.retries"},
      {"images: {a: {file: x, depends_on: [b]}}", "UNKNOWN_DEPENDENCY", "images.a.depends_on"},
  };
  for (const auto& row : kRows) {
    const absl::Status status = Parse(row.text).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument)) << row.text;
    const v1::ErrorDetail detail = DetailOf(status);
    EXPECT_EQ(detail.reason(), row.reason) << row.text;
    EXPECT_EQ(detail.subject(), row.subject) << row.text;
    EXPECT_EQ(detail.source().file(), "ZPipeline.yaml");
    EXPECT_FALSE(detail.excerpt().lines().empty()) << row.text;
  }
}

TEST(PipelineFileTest, WhatIsSetFromOutsideWins) {
  ASSERT_OK_AND_ASSIGN(
      const PipelineFile file,
      Parse("vars: {A: file, B: \"${A}\"}\nimages: {x: {file: f, tags: [\"${A}-${B}-${C}\"]}}",
            {{"A", "set"}, {"C", "c"}}));
  EXPECT_THAT(file.images[0].tags, ElementsAre("set-${A}-c"));
  EXPECT_EQ(file.vars.at("C"), "c");
}

TEST(PipelineFileTest, PlatformsFromOutsideAreDefaults) {
  PipelineFileOptions options;
  options.default_platforms = {"linux/arm64"};
  ASSERT_OK_AND_ASSIGN(
      const PipelineFile file,
      ParsePipelineFile("defaults: {platforms: [linux/386]}\n"
                        "images: {a: {file: f}, b: {file: f, platforms: [linux/s390x]}}",
                        options));
  EXPECT_THAT(file.images[0].platforms, ElementsAre("linux/arm64"));
  EXPECT_THAT(file.images[1].platforms, ElementsAre("linux/s390x"));
}

TEST(PipelineFileTest, KindsOfBuildFiles) {
  for (const char* name : {"a.yml", "x/b.yaml", "ZImagefile", "x/ZImagefile.dev", ".yml"}) {
    EXPECT_TRUE(IsZimagefileName(name)) << name;
  }
  for (const char* name : {"Dockerfile", "a.YML", "ZImagefile/Dockerfile", "x.yml/Dockerfile",
                           "MyZImagefile", "yaml"}) {
    EXPECT_FALSE(IsZimagefileName(name)) << name;
  }
}

TEST(PipelineFileTest, WhatIsHostileIsRefused) {
  EXPECT_THAT(Error(std::string(2 << 20, ' ')), HasSubstr("longer than 1 MiB"));
  // Aliases: a file of some KiB that would be GiBs.
  std::string bomb = "defaults: {build_args: {A: \"" + std::string(10'000, 'x') + "\"}}\nimages:\n";
  for (int i = 0; i < 1000; ++i) {
    bomb += fmt::format("  i{}: {{file: f}}\n", i);
  }
  EXPECT_THAT(Error(bomb), HasSubstr("says too much"));
  std::string variables =
      "vars: {V: \"" + std::string(100'000, 'x') + "\"}\nimages:\n a:\n  file: f\n  tags:\n";
  for (int i = 0; i < 900; ++i) {
    variables += "   - ${V}\n";
  }
  EXPECT_THAT(Error(variables), HasSubstr("says too much"));
  // One text, which would be 10 GiB.
  std::string text = "vars: {V: \"" + std::string(100'000, 'x') + "\"}\nimages: {a: {file: \"";
  for (int i = 0; i < 100'000; ++i) {
    text += "${V}";
  }
  EXPECT_THAT(Error(text + "\"}}"), HasSubstr("images.a.file: the text is too long"));
  std::string platforms = "defaults:\n platforms:\n";
  for (int i = 0; i < 50'000; ++i) {
    platforms += "  - linux\n";
  }
  platforms += "images:\n";
  for (int i = 0; i < 1000; ++i) {
    platforms += fmt::format("  i{}: {{file: f}}\n", i);
  }
  EXPECT_THAT(Error(platforms), HasSubstr("says too much"));
  EXPECT_THAT(Error("a: &a [*a]"), HasSubstr("what it is a part of"));
  EXPECT_THAT(Error("images: &i {a: *i}"), HasSubstr("what it is a part of"));
  for (const char* nested : {"[", "{", "- ", "? ", "a: {", "!a ", "&a "}) {
    std::string deep = "images: ";
    for (int i = 0; i < 50'000; ++i) {
      deep += nested;
    }
    EXPECT_NE(Error(deep), "no error") << nested;
  }
  std::string many = "images:\n";
  for (int i = 0; i < 1001; ++i) {
    many += fmt::format("  i{}: {{file: f}}\n", i);
  }
  EXPECT_THAT(Error(many), HasSubstr("more than 1000 images"));
}

// What `object` lists as properties, and whether it takes others.
std::set<std::string> Properties(const nlohmann::json& object) {
  EXPECT_EQ(object.value("additionalProperties", true), false) << object.dump();
  std::set<std::string> names;
  for (const auto& [name, schema] : object.at("properties").items()) {
    names.insert(name);
  }
  return names;
}

TEST(PipelineFileTest, TheSchemaKnowsTheKeysThatTheParserKnows) {
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile("deploy/zpipeline.schema.json", 1 << 20));
  const nlohmann::json schema = nlohmann::json::parse(text, nullptr, false);
  ASSERT_TRUE(schema.is_object());
  const nlohmann::json& parts = schema.at("$defs");
  const std::map<std::string, nlohmann::json> sections = {
      {"", schema},
      {"defaults", parts.at("defaults")},
      {"images.NAME", parts.at("image")},
      {"cache_mounts[]", parts.at("cacheMount")},
      {"cache", parts.at("cache")},
      {"push", parts.at("push")}};
  for (const auto& [section, keys] : PipelineFileKeys()) {
    EXPECT_EQ(Properties(sections.at(section)), std::set<std::string>(keys.begin(), keys.end()))
        << section;
  }
}

}  // namespace
}  // namespace zlayer
