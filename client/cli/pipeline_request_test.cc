#include "client/cli/pipeline_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/errors.h"
#include "base/files.h"
#include "client/cli/session.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PipelineRequestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(testing::TempDir(), "request"));
    // No logins of whoever runs this.
    setenv("HOME", directory_.path().c_str(), 1);
    setenv("DOCKER_CONFIG", directory_.path().c_str(), 1);
    setenv("REGISTRY_AUTH_FILE", (directory_.path() + "/none.json").c_str(), 1);
    Write("web/Dockerfile", "FROM base\n");
    Write("base/Dockerfile", "FROM scratch\n");
    Write("tools.yml", "base: scratch\n");
    Write("ZPipeline.yaml", R"(
vars: {VERSION: "1"}
images:
  web: {file: web/Dockerfile, context: web, tags: ["registry.example/web:${VERSION}"], depends_on: [base]}
  base: {file: base/Dockerfile, context: .}
  tools: {file: tools.yml, context: web/..}
push: {after_all: true}
)");
    flags_.file = Path("ZPipeline.yaml");
  }

  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Write(const std::string& name, const std::string& text) {
    const size_t slash = name.find('/');
    if (slash != std::string::npos) {
      ASSERT_OK(MakeDirectories(Path(name.substr(0, slash))));
    }
    ASSERT_OK(WriteFileAtomically(Path(name), text));
  }
  absl::StatusOr<PipelineToSubmit> Make() { return MakePipelineRequest(flags_, {}); }
  std::string Error() { return std::string(Message(Make().status())); }
  static std::vector<std::string> Names(const PipelineToSubmit& pipeline) {
    std::vector<std::string> names;
    for (const v1::PipelineImage& image : pipeline.request.spec().images()) {
      names.push_back(image.name());
    }
    return names;
  }

  ScopedDirectory directory_;
  PipelineFlags flags_;
};

TEST_F(PipelineRequestTest, TheFileBecomesARequest) {
  ASSERT_OK_AND_ASSIGN(const PipelineToSubmit pipeline, Make());
  const v1::PipelineSpec& spec = pipeline.request.spec();
  EXPECT_THAT(Names(pipeline), ElementsAre("web", "base", "tools"));
  EXPECT_TRUE(spec.push());
  EXPECT_EQ(spec.title(), flags_.file);
  EXPECT_FALSE(pipeline.request.idempotency_key().empty());
  EXPECT_THAT(spec.images(0).depends_on(), ElementsAre("base"));
  EXPECT_THAT(spec.images(0).spec().tags(), ElementsAre("registry.example/web:1"));
  EXPECT_EQ(spec.images(0).spec().dockerfile_inline().content(), "FROM base\n");
  EXPECT_EQ(spec.images(0).spec().dockerfile_inline().name(), Path("web/Dockerfile"));
  EXPECT_EQ(spec.images(2).spec().zimagefile_inline().content(), "base: scratch\n");
  EXPECT_TRUE(spec.images(0).spec().contexts().contains(""));
}

TEST_F(PipelineRequestTest, ADirectoryIsUploadedOnceForAllThatIgnoreTheSame) {
  ASSERT_OK_AND_ASSIGN(PipelineToSubmit pipeline, Make());
  ASSERT_EQ(pipeline.uploads.size(), 2u);
  EXPECT_THAT(pipeline.uploads[0].images, ElementsAre(0));
  EXPECT_THAT(pipeline.uploads[1].images, ElementsAre(1, 2));
  Write("tools.yml.dockerignore", "*.o\n");
  ASSERT_OK_AND_ASSIGN(pipeline, Make());
  ASSERT_EQ(pipeline.uploads.size(), 3u);
  EXPECT_EQ(pipeline.uploads[2].ignore_text, "*.o\n");
}

TEST_F(PipelineRequestTest, FlagsWinOverTheFile) {
  flags_.sets = {"VERSION=2=3"};
  flags_.no_push = true;
  flags_.keep_going = true;
  flags_.no_cache = true;
  flags_.jobs = 3;
  flags_.priority = -5;
  flags_.platforms = {"linux/arm64"};
  ASSERT_OK_AND_ASSIGN(const PipelineToSubmit pipeline, Make());
  const v1::PipelineSpec& spec = pipeline.request.spec();
  EXPECT_FALSE(spec.push());
  EXPECT_TRUE(spec.keep_going());
  EXPECT_EQ(spec.max_parallel(), 3u);
  EXPECT_EQ(pipeline.request.priority(), -5);
  EXPECT_TRUE(spec.images(1).spec().no_cache());
  EXPECT_THAT(spec.images(1).spec().platforms(), ElementsAre("linux/arm64"));
  EXPECT_THAT(spec.images(0).spec().tags(), ElementsAre("registry.example/web:2=3"));
}

TEST_F(PipelineRequestTest, OnlyTakesAlongWhatIsNeeded) {
  flags_.only = {"web"};
  ASSERT_OK_AND_ASSIGN(PipelineToSubmit pipeline, Make());
  EXPECT_THAT(Names(pipeline), ElementsAre("web", "base"));
  flags_.only = {"tools,base"};
  ASSERT_OK_AND_ASSIGN(pipeline, Make());
  EXPECT_THAT(Names(pipeline), ElementsAre("base", "tools"));
  flags_.only = {"tool"};
  EXPECT_EQ(ExitCode(Make().status(), false), 2);
  EXPECT_EQ(Error(), "--only: \"tool\" is no image of the pipeline; did you mean tools?");
}

TEST_F(PipelineRequestTest, MistakesNameTheirPlace) {
  flags_.sets = {"VERSION"};
  EXPECT_EQ(ExitCode(Make().status(), false), 2);
  flags_.sets = {};
  flags_.push = flags_.no_push = true;
  EXPECT_EQ(ExitCode(Make().status(), false), 2);
  flags_.push = flags_.no_push = false;
  Write("ZPipeline.yaml", "images: {a: {file: none}}");
  EXPECT_EQ(Error(), Path("ZPipeline.yaml") + ": images.a.file: there is no file " + Path("none"));
  Write("ZPipeline.yaml", "images: {a: {file: tools.yml, context: none}}");
  EXPECT_EQ(Error(),
            Path("ZPipeline.yaml") + ": images.a.context: there is no directory " + Path("none"));
  flags_.file = Path("none.yaml");
  EXPECT_EQ(Error(), "there is no pipeline file " + Path("none.yaml"));
}

TEST_F(PipelineRequestTest, TheFileIsLookedForByItsNames) {
  EXPECT_EQ(*FindPipelineFile(directory_.path()), Path("ZPipeline.yaml"));
  const absl::StatusOr<std::string> none = FindPipelineFile(Path("web"));
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kNotFound, HasSubstr("zlayer-pipeline.yml")));
  Write("web/zlayer-pipeline.yml", "");
  EXPECT_EQ(*FindPipelineFile(Path("web")), Path("web/zlayer-pipeline.yml"));
}

}  // namespace
}  // namespace zlayer
