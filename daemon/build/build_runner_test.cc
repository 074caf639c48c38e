#include "daemon/build/build_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "daemon/build/build_file.h"
#include "daemon/trace/build_traces.h"
#include "proto/error_detail.h"
#include "registry/image/platform.h"
#include "registry/transfer/testing/memory_registry.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

// Records the job and returns an image without layers.
class FakeBackend : public Backend {
 public:
  v1::BackendInfo Info() const override { return {}; }

  absl::StatusOr<NewImage> Build(const BuildJob& job, EventSink&, std::stop_token) override {
    jobs.push_back(job);
    if (during) {
      during(job);
    }
    RETURN_IF_ERROR(result);
    NewImage image;
    image.platform = HostPlatform();
    image.created_ns = 1'700'000'000'000'000'000;
    return image;
  }

  std::vector<BuildJob> jobs;
  std::function<void(const BuildJob&)> during;
  absl::Status result;
};

class RecordingSink : public EventSink {
 public:
  void Emit(v1::BuildEvent event) override { events.push_back(std::move(event)); }
  std::vector<v1::BuildEvent> events;
};

using Contents = std::map<std::string, std::string>;

class BuildRunnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(directory_, ScopedDirectory::Make(::testing::TempDir(), "runner"));
    ASSERT_OK_AND_ASSIGN(store_, Store::Open(directory_.path() + "/root", SystemClock()));
    queue_ = OpenBuildQueue(&store_->database(), SystemClock());
    const std::string builds = directory_.path() + "/root/builds";
    ASSERT_OK(MakeDirectories(builds + "/b1"));
    traces_ = std::make_unique<BuildTraces>(builds, SystemClock());
    SetUpRunner();
    build_.id = "b1";
    build_.request.set_namespace_("team");
  }

  // What registries said is forgotten.
  void SetUpRunner() {
    puller_ = MakePuller(&store_->images(), &store_->repositories(), &registry_, SystemClock(), {});
    pusher_ = MakePusher(store_->image_parts(), &store_->images(), &store_->repositories(),
                         &registry_, puller_.get());
    runner_ = MakeBuildRunner({.store = store_.get(),
                               .backend = &backend_,
                               .queue = queue_.get(),
                               .remote = nullptr,
                               .traces = traces_.get(),
                               .puller = puller_.get(),
                               .pusher = pusher_.get(),
                               .clock = SystemClock(),
                               .default_backend = default_backend_});
  }

  v1::BuildSpec& Spec() { return *build_.request.mutable_spec(); }

  void SetDockerfile(const std::string& text) {
    Spec().mutable_dockerfile_inline()->set_content(text);
  }

  absl::StatusOr<v1::BuildComplete> Run() { return runner_->Run(build_, sink_, {}); }
  // Of a build that fails: "CODE REASON SUBJECT", the last where there is one.
  std::string Failure() {
    const absl::Status status = Run().status();
    const v1::ErrorDetail detail = DetailOf(status);
    return absl::StatusCodeToString(status.code()) + " " + detail.reason() +
           (detail.subject().empty() ? "" : " " + detail.subject());
  }

  // An image of `platform` under `name`.
  void AddBase(const std::string& name, const v1::Platform& platform) {
    NewImage image;
    image.platform = platform;
    image.config.add_env("BASE=" + name);
    ASSERT_OK(store_->images().Commit("team", image, {name}));
  }

  // Stores a context of files, with the directories that they need.
  absl::StatusOr<std::string> AddContext(const Contents& files, bool from_tar) {
    ASSIGN_OR_RETURN(std::unique_ptr<PackWriter> pack, store_->contents().NewPack());
    LayerIndexBuilder builder;
    for (const auto& [path, content] : files) {
      for (size_t slash = path.find('/'); slash != std::string::npos;
           slash = path.find('/', slash + 1)) {
        Entry parent;
        parent.path = path.substr(0, slash);
        parent.type = EntryType::kDirectory;
        RETURN_IF_ERROR(builder.Add(parent));
      }
      Entry entry;
      entry.path = path;
      entry.size = content.size();
      RETURN_IF_ERROR(pack->Append(content));
      ASSIGN_OR_RETURN(entry.content, pack->End());
      RETURN_IF_ERROR(builder.Add(entry));
    }
    RETURN_IF_ERROR(pack->Commit());
    ASSIGN_OR_RETURN(std::string index, builder.Serialize());
    ASSIGN_OR_RETURN(LayerRef layer, store_->layers().Add(index, ""));
    ASSIGN_OR_RETURN(StoredContext context, store_->contexts().Put("team", layer->id(), from_tar));
    return context.id;
  }

  void SetContext(const Contents& files, bool from_tar) {
    ASSERT_OK_AND_ASSIGN(context_, AddContext(files, from_tar));
    (*Spec().mutable_contexts())[""].set_uploaded(context_);
  }

  // Paths in the job's context, when the backend sees it.
  void RecordPaths() {
    backend_.during = [this](const BuildJob& job) {
      absl::StatusOr<StoredContext> context = store_->contexts().Get("team", job.contexts.at(""));
      ASSERT_OK(context);
      ASSERT_OK_AND_ASSIGN(LayerRef layer, store_->layers().Get(context->layer));
      for (size_t i = 0; i < layer->size(); ++i) {
        paths_.emplace_back(layer->PathAt(i));
      }
    };
  }

  ScopedDirectory directory_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<BuildQueue> queue_;
  FakeBackend backend_;
  RecordingSink sink_;
  std::unique_ptr<BuildTraces> traces_;
  MemoryRegistry registry_;
  std::unique_ptr<Puller> puller_;
  std::unique_ptr<Pusher> pusher_;
  std::string default_backend_;
  std::unique_ptr<BuildRunner> runner_;
  QueuedBuild build_;
  std::string context_;
  std::vector<std::string> paths_;
};

TEST_F(BuildRunnerTest, CommitsWhatTheBackendMade) {
  SetDockerfile("FROM scratch\nLABEL a=b\n");
  Spec().add_tags("app:1");
  Spec().set_no_cache(true);
  (*Spec().mutable_annotations())["org.example"] = "yes";
  ASSERT_OK_AND_ASSIGN(v1::BuildComplete complete, Run());
  ASSERT_OK_AND_ASSIGN(StoredImage image, store_->images().Get("team", "app:1"));
  EXPECT_EQ(complete.image_id(), image.config_digest.ToString());
  EXPECT_EQ(complete.manifest_digest(), image.manifest.ToString());
  EXPECT_THAT(complete.tags(), ElementsAre("docker.io/library/app:1"));
  EXPECT_EQ(complete.layer_count(), 0u);
  EXPECT_THAT(image.manifest_json, HasSubstr("org.example"));
  ASSERT_EQ(backend_.jobs.size(), 1u);
  EXPECT_EQ(backend_.jobs[0].build_id, "b1");
  EXPECT_EQ(backend_.jobs[0].name_space, "team");
  EXPECT_TRUE(backend_.jobs[0].no_cache);
  EXPECT_EQ(backend_.jobs[0].graph->stages_size(), 1);
}

TEST_F(BuildRunnerTest, SaysWhereTheTimeWentAlsoOfAFailure) {
  const auto names = [this] {
    std::vector<std::string> result;
    absl::StatusOr<std::string> encoded = traces_->Read("b1");
    EXPECT_OK(encoded);
    EXPECT_OK(ForEachSpan(encoded.ok() ? *encoded : "", [&](v1::Span span) {
      result.push_back(span.name());
      return absl::OkStatus();
    }));
    return result;
  };
  SetContext({{"Dockerfile", "FROM scratch\n"}}, true);
  ASSERT_OK(Run());
  EXPECT_THAT(names(), ElementsAre("queue", "context", "plan", "commit"));
  SetDockerfile("nonsense");
  EXPECT_FALSE(Run().ok());
  EXPECT_THAT(names(), ElementsAre("queue", "context", "plan"));
}

TEST_F(BuildRunnerTest, PassesArgumentsTargetAndLabels) {
  SetDockerfile("FROM scratch AS one\nARG A\nLABEL arg=$A\nFROM scratch AS two\n");
  (*Spec().mutable_build_args())["A"] = "value";
  (*Spec().mutable_labels())["mine"] = "1";
  Spec().set_target("one");
  ASSERT_OK(Run());
  const v1::Graph& graph = *backend_.jobs[0].graph;
  EXPECT_THAT(graph.targets(), ElementsAre(0));
  std::map<std::string, std::string> labels;
  for (const v1::Operation& operation : graph.stages(0).operations()) {
    for (const v1::ConfigChange& change : operation.config()) {
      if (change.has_set_label()) {
        labels[change.set_label().key()] = change.set_label().value();
      }
    }
  }
  EXPECT_THAT(labels, ElementsAre(Pair("arg", "value"), Pair("mine", "1")));
}

TEST_F(BuildRunnerTest, TimesOfLayersAreBoundWhereAskedFor) {
  SetDockerfile("FROM scratch\n");
  (*Spec().mutable_build_args())["SOURCE_DATE_EPOCH"] = "1600000000";
  ASSERT_OK(Run());
  (*Spec().add_outputs()->mutable_attributes())["rewrite-timestamp"] = "true";
  ASSERT_OK(Run());
  EXPECT_THAT(sink_.events, IsEmpty());
  Spec().clear_build_args();
  ASSERT_OK(Run());
  EXPECT_EQ(backend_.jobs[0].layer_epoch, std::nullopt);
  EXPECT_EQ(backend_.jobs[1].layer_epoch, 1'600'000'000);
  EXPECT_EQ(backend_.jobs[2].layer_epoch, std::nullopt);
  ASSERT_EQ(sink_.events.size(), 1u);
  EXPECT_THAT(sink_.events[0].warning().message(), HasSubstr("SOURCE_DATE_EPOCH"));
}

TEST_F(BuildRunnerTest, ReadsTheDockerfileOfTheContext) {
  SetContext({{"docker/app", "FROM scratch\nLABEL from=context\n"}}, false);
  Spec().set_dockerfile("docker/app");
  ASSERT_OK(Run());
  EXPECT_EQ(backend_.jobs[0].graph->stages(0).operations(1).text(), "LABEL from=context");
  EXPECT_EQ(backend_.jobs[0].graph->stages(0).operations(1).source().file(), "docker/app");
  EXPECT_THAT(backend_.jobs[0].contexts, ElementsAre(Pair("", context_)));
}

TEST_F(BuildRunnerTest, TheFileIsCalledDockerfileUnlessNamed) {
  SetContext({{"Dockerfile", "FROM scratch\n"}}, false);
  ASSERT_OK(Run());
}

TEST_F(BuildRunnerTest, AZImagefileOfTheContextGoesFirst) {
  const std::string one = "base: scratch\nlabels: {from: one}\n";
  SetContext({{"Dockerfile", "FROM scratch\n"}, {"ZImagefile.one", one}}, false);
  ASSERT_OK(Run());
  EXPECT_EQ(backend_.jobs[0].graph->stages(0).operations(1).source().file(), "ZImagefile.one");
  SetContext({{"Dockerfile", "FROM scratch\n"}, {"ZImagefile.one", one}, {"ZImagefile.two", one}},
             false);
  const absl::Status several = Run().status();
  EXPECT_THAT(several, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("zimagefile")));
  EXPECT_THAT(DetailOf(several).items(), ElementsAre("ZImagefile.one", "ZImagefile.two"));
  Spec().set_zimagefile("ZImagefile.two");
  ASSERT_OK(Run());
  EXPECT_EQ(backend_.jobs[1].graph->stages(0).operations(1).source().file(), "ZImagefile.two");
  Spec().set_dockerfile("Dockerfile");
  ASSERT_OK(Run());
}

TEST_F(BuildRunnerTest, NestedBuildsAreReadFromTheContext) {
  SetContext({{"ZImagefile", "build: deps\n"},
              {"deps/Dockerfile", "FROM scratch\nCOPY a /\n"},
              {"deps/a", "x"}},
             false);
  ASSERT_OK(Run());
  const v1::Graph& graph = *backend_.jobs[0].graph;
  ASSERT_EQ(graph.stages_size(), 2);
  EXPECT_EQ(graph.stages(0).build(), "deps");
  EXPECT_EQ(graph.stages(0).operations(1).copy().sources(0).from().directory(), "deps");
  SetContext({{"ZImagefile", "build: deps\n"}}, false);
  const absl::Status missing = Run().status();
  EXPECT_THAT(missing,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("ZImagefile:1: the build context has "
                                                              "no directory deps")));
  EXPECT_EQ(DetailOf(missing).reason(), "CONTEXT_READ");
  EXPECT_EQ(DetailOf(missing).subject(), "deps");
}

TEST_F(BuildRunnerTest, AnnotationsOfTheFileAreTheManifests) {
  Spec().mutable_zimagefile_inline()->set_content(
      "base: scratch\nannotations: {a: file, b: file}\n");
  (*Spec().mutable_annotations())["b"] = "request";
  ASSERT_OK_AND_ASSIGN(const v1::BuildComplete complete, Run());
  ASSERT_OK_AND_ASSIGN(const StoredImage image,
                       store_->images().Get("team", complete.manifest_digest()));
  EXPECT_THAT(image.manifest_json, HasSubstr(R"("annotations":{"a":"file","b":"request"})"));
}

TEST_F(BuildRunnerTest, AMissingDockerfileIsNamed) {
  SetContext({{"other", ""}}, false);
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kNotFound,
                              HasSubstr("the build context has no file Dockerfile")));
  EXPECT_THAT(backend_.jobs, IsEmpty());
}

TEST_F(BuildRunnerTest, ADirectoryIsNoDockerfile) {
  SetContext({{"Dockerfile/x", ""}}, false);
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("Dockerfile is not a regular file")));
}

TEST_F(BuildRunnerTest, AnUnknownContextIsAnError) {
  (*Spec().mutable_contexts())[""].set_uploaded("gone");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("gone")));
}

TEST_F(BuildRunnerTest, AppliesTheIgnoreFileOfATar) {
  SetContext({{"Dockerfile", "FROM scratch\n"},
              {".dockerignore", "logs\n*.o\n!keep.o\nsecret\n!secret/public\n"},
              {"a.c", ""},
              {"a.o", ""},
              {"keep.o", ""},
              {"logs/1", ""},
              {"secret/key", ""},
              {"secret/public/key", ""}},
             true);
  RecordPaths();
  ASSERT_OK(Run());
  EXPECT_THAT(paths_, ElementsAre(".dockerignore", "Dockerfile", "a.c", "keep.o", "secret",
                                  "secret/public", "secret/public/key"));
  EXPECT_NE(backend_.jobs[0].contexts.at(""), context_);
  EXPECT_THAT(store_->contexts().Get("team", backend_.jobs[0].contexts.at("")),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BuildRunnerTest, PrefersTheIgnoreFileOfTheDockerfile) {
  SetContext({{"app", "FROM scratch\n"},
              {"app.dockerignore", "b\n"},
              {".dockerignore", "a\n"},
              {"a", ""},
              {"b", ""}},
             true);
  Spec().set_dockerfile("app");
  RecordPaths();
  ASSERT_OK(Run());
  EXPECT_THAT(paths_, AllOf(Contains("a"), Not(Contains("b"))));
}

TEST_F(BuildRunnerTest, ReadsADockerfileThatIsIgnored) {
  SetContext({{"Dockerfile", "FROM scratch\n"}, {".dockerignore", "*\n"}}, true);
  RecordPaths();
  ASSERT_OK(Run());
  EXPECT_THAT(paths_, IsEmpty());
}

TEST_F(BuildRunnerTest, ClientsThatSendFilesIgnoreThemselves) {
  SetContext({{"Dockerfile", "FROM scratch\n"}, {".dockerignore", "a\n"}, {"a", ""}}, false);
  RecordPaths();
  ASSERT_OK(Run());
  EXPECT_THAT(paths_, Contains("a"));
}

TEST_F(BuildRunnerTest, AnErrorInAnIgnoreFileHasItsLine) {
  SetContext({{"Dockerfile", "FROM scratch\n"}, {".dockerignore", "a\n!\n"}}, true);
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(".dockerignore:2: ")));
}

TEST_F(BuildRunnerTest, BuildsATemplateAsItIsNamed) {
  AddBase("nginxinc/nginx-unprivileged:stable-alpine", HostPlatform());
  SetContext({{"page.html", ""}}, false);
  Spec().set_runtime("HTML");
  ASSERT_OK(Run());
  const v1::Operation& copy = backend_.jobs[0].graph->stages(0).operations(1);
  EXPECT_EQ(copy.text(), "COPY . /usr/share/nginx/html");
  EXPECT_EQ(copy.source().file(), "runtime:static");
}

TEST_F(BuildRunnerTest, FindsTheTemplateThatFitsAndIgnoresWhatItDoes) {
  AddBase("nginxinc/nginx-unprivileged:stable-alpine", HostPlatform());
  const Contents files = {{"index.html", ""}, {"package.json/x", ""}, {".env", ""}};
  SetContext(files, true);
  Spec().set_runtime("auto");
  RecordPaths();
  ASSERT_OK(Run());
  EXPECT_THAT(paths_, ElementsAre("index.html", "package.json", "package.json/x"));

  Contents with_rules = files;
  with_rules[".dockerignore"] = "package.json\n";
  SetContext(with_rules, true);
  paths_.clear();
  RecordPaths();
  ASSERT_OK(Run());
  EXPECT_THAT(paths_, ElementsAre(".dockerignore", ".env", "index.html"));
}

TEST_F(BuildRunnerTest, SaysWhatNoTemplateFits) {
  SetContext({{"main.c", ""}}, true);
  Spec().set_runtime("auto");
  const absl::Status status = Run().status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has none of *.csproj")));
  EXPECT_EQ(DetailOf(status).reason(), "NO_RUNTIME_FITS");
}

TEST_F(BuildRunnerTest, ResolvesBasesInTheStore) {
  AddBase("base:1", HostPlatform());
  SetDockerfile("FROM base:1\n");
  ASSERT_OK(Run());
  const v1::ImageBase& base = backend_.jobs[0].graph->stages(0).operations(0).image();
  ASSERT_OK_AND_ASSIGN(StoredImage image, store_->images().Get("team", "base:1"));
  EXPECT_EQ(base.reference(), "docker.io/library/base:1");
  EXPECT_EQ(base.digest(), image.manifest.ToString());
}

TEST_F(BuildRunnerTest, AnUnknownBaseIsNamed) {
  SetDockerfile("FROM nothing:here\n");
  absl::StatusOr<v1::BuildComplete> result = Run();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing:here")));
  EXPECT_EQ(DetailOf(result.status()).reason(), "IMAGE_NOT_FOUND");
  EXPECT_EQ(DetailOf(result.status()).source().first_line(), 1u);
}

TEST_F(BuildRunnerTest, ABaseForAnotherPlatformIsAWarning) {
  v1::Platform other;
  other.set_os("linux");
  other.set_architecture("s390x");
  AddBase("base:1", other);
  SetDockerfile("FROM base:1\n");
  EXPECT_OK(Run());
  ASSERT_FALSE(sink_.events.empty());
  EXPECT_EQ(sink_.events[0].warning().rule(), "InvalidBaseImagePlatform");
  EXPECT_THAT(sink_.events[0].warning().message(),
              AllOf(HasSubstr("base:1"), HasSubstr("linux/s390x")));
}

TEST_F(BuildRunnerTest, CompletesAGraph) {
  AddBase("base:1", HostPlatform());
  v1::Graph& graph = *Spec().mutable_graph();
  v1::Stage* stage = graph.add_stages();
  stage->add_operations()->mutable_image()->set_reference("base:1");
  v1::Copy* copy = stage->add_operations()->mutable_copy();
  copy->set_destination("/x");
  copy->add_sources()->set_path("a");
  copy->mutable_sources(0)->mutable_from()->mutable_image()->set_reference("base:1");
  graph.add_targets(0);
  (*Spec().mutable_labels())["b"] = "2";
  (*Spec().mutable_labels())["a"] = "1";
  ASSERT_OK(Run());
  ASSERT_OK_AND_ASSIGN(StoredImage image, store_->images().Get("team", "base:1"));
  const v1::Stage& planned = backend_.jobs[0].graph->stages(0);
  EXPECT_EQ(planned.operations(0).image().digest(), image.manifest.ToString());
  EXPECT_EQ(planned.operations(1).copy().sources(0).from().image().digest(),
            image.manifest.ToString());
  EXPECT_EQ(FormatPlatform(planned.platform()), FormatPlatform(HostPlatform()));
  ASSERT_EQ(planned.operations(1).config_size(), 2);
  EXPECT_EQ(planned.operations(1).config(0).set_label().key(), "a");
  EXPECT_EQ(planned.operations(1).config(1).set_label().value(), "2");
}

TEST_F(BuildRunnerTest, KeepsTheDigestsOfAGraph) {
  v1::Graph& graph = *Spec().mutable_graph();
  v1::ImageBase* base = graph.add_stages()->add_operations()->mutable_image();
  base->set_reference("docker.io/library/gone:1");
  base->set_digest(Digest::Of("x").ToString());
  graph.add_targets(0);
  ASSERT_OK(Run());
  EXPECT_EQ(backend_.jobs[0].graph->stages(0).operations(0).image().digest(),
            Digest::Of("x").ToString());
}

TEST_F(BuildRunnerTest, WarningsAreEvents) {
  SetDockerfile("FROM scratch\nMAINTAINER me\n");
  ASSERT_OK(Run());
  ASSERT_FALSE(sink_.events.empty());
  EXPECT_TRUE(sink_.events[0].has_warning());
}

TEST_F(BuildRunnerTest, AFailedBuildLeavesNoImage) {
  SetDockerfile("FROM scratch\n");
  Spec().add_tags("app:1");
  backend_.result = Internal("it broke");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInternal, "it broke"));
  EXPECT_THAT(store_->images().Get("team", "app:1"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BuildRunnerTest, ABuildStoppedAtItsEndIsNotCommitted) {
  SetDockerfile("FROM scratch\n");
  Spec().add_tags("app:1");
  std::stop_source stop;
  backend_.during = [&](const BuildJob&) { stop.request_stop(); };
  EXPECT_THAT(runner_->Run(build_, sink_, stop.get_token()),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(store_->images().Get("team", "app:1"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BuildRunnerTest, GivesUpContextsOfBuildsThatEnded) {
  ASSERT_OK_AND_ASSIGN(std::string ended, AddContext({{"a", "1"}}, false));
  ASSERT_OK_AND_ASSIGN(std::string waiting, AddContext({{"a", "2"}}, false));
  ASSERT_OK_AND_ASSIGN(std::string uploaded, AddContext({{"a", "3"}}, false));
  v1::SubmitBuildRequest request;
  request.set_namespace_("team");
  (*request.mutable_spec()->mutable_contexts())[""].set_uploaded(waiting);
  ASSERT_OK(queue_->Submit(request));
  ASSERT_OK(store_->contexts().Keep("team", ended));
  ASSERT_OK(store_->contexts().Keep("team", waiting));
  SetDockerfile("FROM scratch\n");
  ASSERT_OK(Run());
  EXPECT_THAT(store_->contexts().Get("team", ended), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_OK(store_->contexts().Get("team", waiting));
  EXPECT_OK(store_->contexts().Get("team", uploaded));
}

TEST_F(BuildRunnerTest, AnotherRunLeavesAFilteredContextAlone) {
  SetContext({{"Dockerfile", "FROM scratch\n"}, {".dockerignore", "x\n"}}, true);
  QueuedBuild other;
  other.id = "b2";
  other.request.mutable_spec()->mutable_dockerfile_inline()->set_content("FROM scratch\n");
  int depth = 0;
  backend_.during = [&](const BuildJob& job) {
    if (depth++ > 0) {
      return;
    }
    EXPECT_OK(runner_->Run(other, sink_, {}));
    EXPECT_OK(store_->contexts().Get("team", job.contexts.at("")));
  };
  ASSERT_OK(Run());
  EXPECT_EQ(depth, 2);
}

TEST_F(BuildRunnerTest, WarningsThatAreErrorsFailTheBuildBehindThem) {
  SetDockerfile("# check=error=true\nFROM scratch\nMAINTAINER me\n");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("lint violation found for rules: MaintainerDeprecated")));
  ASSERT_EQ(sink_.events.size(), 1u);
  EXPECT_EQ(sink_.events[0].warning().rule(), "MaintainerDeprecated");
  EXPECT_THAT(backend_.jobs, IsEmpty());
}

absl::Status MissingAt(uint32_t line) {
  v1::SourceRange source;
  source.set_file("Dockerfile");
  source.set_first_line(line);
  source.set_last_line(line);
  return AtSource(NotFound("\"a.o\" does not exist"), source);
}

TEST_F(BuildRunnerTest, AFailureHasItsLinesAndTheLineThatIgnores) {
  SetDockerfile("FROM scratch\nCOPY a.o /\n");
  Spec().mutable_dockerfile_inline()->set_ignore_file("# x\n*.o\n");
  Spec().mutable_dockerfile_inline()->set_ignore_name("docker/x.dockerignore");
  backend_.result = MissingAt(2);
  const absl::Status status = Run().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               "Dockerfile:2: \"a.o\" does not exist; \"a.o\" is left out by line "
                               "2 of docker/x.dockerignore"));
  EXPECT_THAT(DetailOf(status).excerpt().lines(), ElementsAre("FROM scratch", "COPY a.o /"));
  EXPECT_EQ(DetailOf(status).reason(), "FILE_IGNORED");
  EXPECT_EQ(DetailOf(status).subject(), "a.o");
  Spec().mutable_dockerfile_inline()->set_ignore_file("*.txt\n");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kNotFound, "Dockerfile:2: \"a.o\" does not exist"));
}

TEST_F(BuildRunnerTest, AnErrorOfTheFileHasItsLines) {
  SetDockerfile("FROM scratch\nSTOPSIGNAL no\n");
  EXPECT_THAT(DetailOf(Run().status()).excerpt().lines(),
              ElementsAre("FROM scratch", "STOPSIGNAL no"));
}

TEST_F(BuildRunnerTest, AnExaminationAnswersWithErrors) {
  SetDockerfile("FROM absent\nMAINTAINER me\n");
  ASSERT_OK_AND_ASSIGN(const v1::CheckBuildResponse check,
                       CheckRequest({store_.get(), puller_.get()}, "team", Spec(), {}));
  EXPECT_EQ(check.error().code(), static_cast<int>(absl::StatusCode::kNotFound));
  EXPECT_EQ(check.error().detail().excerpt().lines(0), "FROM absent");
  EXPECT_EQ(check.warnings_size(), 1);
  EXPECT_EQ(check.targets_size(), 1);
  EXPECT_EQ(check.file().name(), "Dockerfile");
  SetDockerfile("FROM scratch\nRNU x\n");
  ASSERT_OK_AND_ASSIGN(const v1::CheckBuildResponse broken,
                       CheckRequest({store_.get(), puller_.get()}, "team", Spec(), {}));
  EXPECT_THAT(broken.error().error(), HasSubstr("did you mean RUN?"));
  EXPECT_FALSE(broken.has_outline());
}

TEST_F(BuildRunnerTest, ABaseThatIsNotHereIsPulled) {
  registry_.AddImage("docker.io/library/base", "1");
  SetDockerfile("FROM base:1");
  ASSERT_OK(Run());
  EXPECT_EQ(registry_.Count("GET manifest docker.io/library/base:1"), 1);
  Spec().set_pull(v1::PULL_NEVER);
  SetDockerfile("FROM base:2");
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(registry_.Count("GET manifest docker.io/library/base:2"), 0);
}

TEST_F(BuildRunnerTest, ABaseThatARegistryDoesNotShowIsNotFound) {
  registry_.AddImage("reg.example/base", "1");
  registry_.passwords["reg.example/base"] = "secret";
  SetDockerfile("FROM reg.example/base:1");
  const absl::Status refused = Run().status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kNotFound, HasSubstr("credentials")));
  EXPECT_EQ(DetailOf(refused).reason(), "IMAGE_NOT_FOUND");
  v1::RegistryCredential& credential = *Spec().add_registry_credentials();
  credential.set_registry("reg.example");
  credential.set_password("secret");
  Spec().set_pull(v1::PULL_ALWAYS);
  SetUpRunner();
  EXPECT_OK(Run());
}

TEST_F(BuildRunnerTest, ThePushIsPartOfTheBuild) {
  SetDockerfile("FROM scratch");
  Spec().add_tags("localhost:5000/app:1");
  Spec().set_push(true);
  ASSERT_OK_AND_ASSIGN(const v1::BuildComplete complete, Run());
  EXPECT_EQ(registry_.repositories["localhost:5000/app"].manifests["1"].digest.ToString(),
            complete.manifest_digest());
  registry_.down = absl::UnavailableError("no answer");
  SetUpRunner();
  EXPECT_THAT(Run(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no answer")));
}

TEST_F(BuildRunnerTest, ALayerThatItsRegistryDoesNotSendHasAReason) {
  SetDockerfile("FROM scratch");
  registry_.down = absl::UnavailableError("no answer");
  absl::Status fetched;
  backend_.during = [&](const BuildJob& job) {
    StoredImage image;
    image.source = "reg.example/base";
    fetched = job.fetch_blob(image, {}, {}, {});
  };
  ASSERT_OK(Run());
  EXPECT_THAT(fetched, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("no answer")));
  EXPECT_EQ(DetailOf(fetched).reason(), "REGISTRY_UNAVAILABLE");
}

TEST_F(BuildRunnerTest, PassesWhatCommandsAreAskedFor) {
  SetDockerfile("FROM scratch\nRUN [\"a\"]\n");
  Spec().set_retries(3);
  Spec().set_squash(true);
  Spec().set_host_network(true);
  Spec().add_default_cache_mounts()->set_type(v1::Mount::CACHE);
  Spec().mutable_default_cache_mounts(0)->set_target("/c");
  Spec().add_platforms("linux/s390x");
  ASSERT_OK(Run());
  const BuildJob& job = backend_.jobs[0];
  EXPECT_EQ(job.retries, 3u);
  EXPECT_EQ(job.layering, Layering::kOneForImage);
  EXPECT_EQ(job.graph->stages(0).platform().architecture(), "s390x");
  const v1::Run& run = job.graph->stages(0).operations(1).run();
  EXPECT_EQ(run.network(), v1::NETWORK_HOST);
  ASSERT_EQ(run.mounts_size(), 1);
  EXPECT_EQ(run.mounts(0).id(), "/c");
}

TEST_F(BuildRunnerTest, WhatIsUnchangedIsNotBuilt) {
  SetContext({{"Dockerfile", "FROM scratch\nCOPY a /\n"}, {"a", "1"}}, false);
  Spec().add_tags("localhost:5000/app:1");
  Spec().set_source_hash("auto");
  ASSERT_OK_AND_ASSIGN(const v1::BuildComplete first, Run());
  EXPECT_FALSE(first.unchanged());
  // What is not copied does not count.
  SetContext({{"Dockerfile", "FROM scratch\n\nCOPY a /\n"}, {"a", "1"}, {"b", "1"}}, false);
  Spec().add_tags("other");
  Spec().set_push(true);
  ASSERT_OK_AND_ASSIGN(const v1::BuildComplete second, Run());
  EXPECT_TRUE(second.unchanged());
  EXPECT_EQ(second.image_id(), first.image_id());
  EXPECT_EQ(backend_.jobs.size(), 1u);
  EXPECT_OK(store_->images().Get("team", "other"));
  EXPECT_TRUE(registry_.repositories["localhost:5000/app"].manifests.contains("1"));
  Spec().set_push(false);
  Spec().set_format("docker");
  EXPECT_FALSE(Run()->unchanged());
  SetContext({{"Dockerfile", "FROM scratch\nCOPY a /\n"}, {"a", "2"}}, false);
  EXPECT_FALSE(Run()->unchanged());
  EXPECT_TRUE(Run()->unchanged());
  Spec().set_no_cache(true);
  EXPECT_FALSE(Run()->unchanged());
  EXPECT_EQ(backend_.jobs.size(), 4u);
}

TEST_F(BuildRunnerTest, WhatNobodyCanTellIsBuilt) {
  SetDockerfile("FROM scratch\nADD https://user:secret@host/a /\n");
  Spec().add_tags("app");
  Spec().set_source_hash("auto");
  ASSERT_OK(Run());
  ASSERT_OK_AND_ASSIGN(const v1::BuildComplete again, Run());
  EXPECT_FALSE(again.unchanged());
  ASSERT_EQ(sink_.events.size(), 2u);
  EXPECT_EQ(sink_.events[0].warning().rule(), "SourceHashUnknown");
  EXPECT_THAT(sink_.events[0].warning().message(),
              AllOf(HasSubstr("host/a"), Not(HasSubstr("secret"))));
  Spec().set_source_hash("mine");
  EXPECT_FALSE(Run()->unchanged());
  EXPECT_TRUE(Run()->unchanged());
}

TEST_F(BuildRunnerTest, ErrorsHaveTheirReasons) {
  SetContext({{"other", ""}}, false);
  EXPECT_EQ(Failure(), "NOT_FOUND CONTEXT_READ Dockerfile");
  SetContext({{"Dockerfile/x", ""}}, false);
  EXPECT_EQ(Failure(), "INVALID_ARGUMENT CONTEXT_READ Dockerfile");
  SetDockerfile("FROM scratch\nRNU x\n");
  EXPECT_EQ(Failure(), "INVALID_ARGUMENT DOCKERFILE_PARSE");
  SetDockerfile("FROM scratch\nEXPOSE nothing\n");
  EXPECT_EQ(Failure(), "INVALID_ARGUMENT INVALID_INSTRUCTION");
  SetDockerfile("FROM scratch\nCOPY --from=7 a /\n");
  EXPECT_EQ(Failure(), "INVALID_ARGUMENT STAGE_NOT_FOUND 7");
  SetDockerfile("FROM scratch AS one\nCOPY --from=later a /\nFROM one AS later\n");
  EXPECT_EQ(Failure(), "INVALID_ARGUMENT STAGE_NOT_FOUND later");
  SetDockerfile("FROM nothing:here\n");
  EXPECT_EQ(Failure(), "NOT_FOUND IMAGE_NOT_FOUND nothing:here");
  SetDockerfile("FROM scratch\n");
  Spec().set_target("none");
  EXPECT_EQ(Failure(), "INVALID_ARGUMENT STAGE_NOT_FOUND none");
  Spec().clear_target();
  Spec().add_tags("localhost:5000/app:1");
  Spec().set_push(true);
  registry_.down = absl::UnavailableError("no answer");
  EXPECT_EQ(Failure(), "UNAVAILABLE PUSH_FAILED localhost:5000/app:1");
  default_backend_ = "hcs";
  SetUpRunner();
  EXPECT_EQ(Failure(), "FAILED_PRECONDITION BACKEND_UNAVAILABLE hcs");
  Spec().set_backend("native");
  EXPECT_EQ(Failure(), "UNAVAILABLE PUSH_FAILED localhost:5000/app:1");
  SetDockerfile("FROM localhost:5000/base\n");
  EXPECT_EQ(Failure(), "NOT_FOUND IMAGE_NOT_FOUND localhost:5000/base");
}

using PlanRequestTest = BuildRunnerTest;

TEST_F(PlanRequestTest, IsWhatTheBuildRuns) {
  AddBase("base", HostPlatform());
  SetContext({{"docker/app", "FROM base\nCOPY a /\n"}, {"a", "x"}}, false);
  Spec().set_dockerfile("docker/app");
  ASSERT_OK_AND_ASSIGN(PlannedBuild plan,
                       PlanRequest({store_.get(), puller_.get()}, "team", Spec(), {}));
  EXPECT_THAT(plan.graph.stages(0).operations(0).image().digest(), HasSubstr("sha256:"));
  ASSERT_OK(Run());
  EXPECT_EQ(plan.graph.SerializeAsString(), backend_.jobs[0].graph->SerializeAsString());
}

TEST_F(PlanRequestTest, StoresNothing) {
  SetContext({{"Dockerfile", "FROM scratch\n"}, {".dockerignore", "a\n"}, {"a", "x"}}, true);
  ASSERT_OK_AND_ASSIGN(StoreStatistics before, store_->Statistics());
  ASSERT_OK(PlanRequest({store_.get(), puller_.get()}, "team", Spec(), {}));
  ASSERT_OK_AND_ASSIGN(StoreStatistics after, store_->Statistics());
  EXPECT_EQ(after.layers, before.layers);
  EXPECT_THAT(store_->contexts().Kept(), IsOkAndHolds(IsEmpty()));
}

TEST_F(PlanRequestTest, FindsTheErrorsOfTheBuild) {
  SetContext({{"Dockerfile", "FROM scratch\nCOPPY a b\n"}}, false);
  EXPECT_THAT(PlanRequest({store_.get(), puller_.get()}, "team", Spec(), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("Dockerfile:2: ")));
  SetContext({{"Dockerfile", "FROM scratch\n"}, {".dockerignore", "[\n"}}, true);
  EXPECT_EQ(PlanRequest({store_.get(), puller_.get()}, "team", Spec(), {}).status(),
            Run().status());
  SetContext({{"Dockerfile", "FROM nothing:here\n"}}, false);
  EXPECT_THAT(PlanRequest({store_.get(), puller_.get()}, "team", Spec(), {}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing:here")));
  (*Spec().mutable_contexts())[""].set_uploaded("gone");
  EXPECT_THAT(PlanRequest({store_.get(), puller_.get()}, "team", Spec(), {}),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace zlayer
