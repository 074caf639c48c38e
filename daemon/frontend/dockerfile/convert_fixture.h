// What tests of the conversion share.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CONVERT_FIXTURE_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CONVERT_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backends/graph/validate.h"
#include "base/errors.h"
#include "daemon/frontend/dockerfile/convert.h"
#include "tests/status_matchers.h"

namespace zlayer {

// Knows the images that a test gives it, and what was asked for.
class FakeResolver : public ImageResolver {
 public:
  v1::ImageConfig& Add(const std::string& reference) { return images_[reference]; }
  // Other images are for any platform.
  void SetPlatform(const std::string& reference, const v1::Platform& platform) {
    platforms_[reference] = platform;
  }

  absl::StatusOr<ResolvedImage> Resolve(const std::string& reference, const v1::Platform& platform,
                                        std::stop_token) override {
    asked_.push_back(reference);
    const auto at = images_.find(reference);
    if (at == images_.end()) {
      return NotFound("there is no image " + reference);
    }
    const auto own = platforms_.find(reference);
    const auto warning = warnings_.find(reference);
    return ResolvedImage{"docker.io/library/" + reference, "sha256:" + reference,
                         own == platforms_.end() ? platform : own->second, at->second,
                         warning == warnings_.end() ? "" : warning->second};
  }

  void SetWarning(const std::string& reference, const std::string& warning) {
    warnings_[reference] = warning;
  }

  const std::vector<std::string>& asked() const { return asked_; }

 private:
  std::map<std::string, v1::ImageConfig> images_;
  std::map<std::string, v1::Platform> platforms_;
  std::map<std::string, std::string> warnings_;
  std::vector<std::string> asked_;
};

class ConvertTest : public ::testing::Test {
 protected:
  ConvertTest() {
    request_.name = "Dockerfile";
    request_.platform.set_os("linux");
    request_.platform.set_architecture("amd64");
    for (const char* name : {"busybox", "golang", "alpine", "debian:bookworm"}) {
      resolver_.Add(name).add_env("PATH=/bin");
    }
  }

  absl::StatusOr<FileGraph> Convert(std::string text) {
    request_.text = std::move(text);
    return ConvertFile(request_, resolver_, {});
  }

  // The graph, which must be valid.
  v1::Graph GraphOf(std::string text) {
    absl::StatusOr<FileGraph> converted = Convert(std::move(text));
    EXPECT_OK(converted);
    if (!converted.ok()) {
      return {};
    }
    EXPECT_OK(ValidateGraph(converted->graph));
    warnings_ = converted->warnings;
    return converted->graph;
  }

  // The operations of the last stage behind its base.
  std::vector<v1::Operation> Operations(const std::string& text) {
    const v1::Graph graph = GraphOf(text);
    if (graph.stages().empty()) {
      return {};
    }
    const auto& operations = graph.stages(graph.stages_size() - 1).operations();
    return {operations.begin() + 1, operations.end()};
  }

  // The last operation of "FROM busybox" and `text`; an empty one where that fails.
  v1::Operation Last(const std::string& text) {
    const std::vector<v1::Operation> operations = Operations("FROM busybox\n" + text);
    return operations.empty() ? v1::Operation() : operations.back();
  }

  absl::Status Refusal(const std::string& text) {
    return Convert("FROM busybox AS base\n" + text).status();
  }

  ConvertRequest request_;
  FakeResolver resolver_;
  std::vector<v1::Warning> warnings_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CONVERT_FIXTURE_H_
