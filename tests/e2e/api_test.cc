// The API as a client in any language sees it, where the command line does not show it.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "proto/error_detail.h"
#include "proto/grpc_status.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"
#include "zlayer/v1/build.grpc.pb.h"
#include "zlayer/v1/image.grpc.pb.h"
#include "zlayer/v1/system.grpc.pb.h"

namespace zlayer::e2e {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ApiTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    if (!IsSkipped()) {
      Start();
    }
  }

  void Start(const std::vector<std::string>& flags = {}) {
    StartDaemon(flags);
    channel_ = grpc::CreateChannel(Address(), grpc::InsecureChannelCredentials());
    builds_ = v1::BuildService::NewStub(channel_);
    images_ = v1::ImageService::NewStub(channel_);
    system_ = v1::SystemService::NewStub(channel_);
  }

  template <typename Stub, typename Request, typename Response>
  static absl::Status Call(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                           const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    return FromGrpc((stub.*method)(&context, request, response));
  }

  // A build of a Dockerfile without a context.
  static v1::SubmitBuildRequest Request(
      const std::string& dockerfile = "FROM scratch\nLABEL a=b\n") {
    v1::SubmitBuildRequest request;
    request.mutable_spec()->mutable_dockerfile_inline()->set_content(dockerfile);
    return request;
  }

  absl::StatusOr<std::string> Submit(const v1::SubmitBuildRequest& request) {
    v1::SubmitBuildResponse response;
    absl::Status status = Call(*builds_, &v1::BuildService::Stub::SubmitBuild, request, &response);
    return status.ok() ? absl::StatusOr<std::string>(response.build_id()) : status;
  }

  absl::StatusOr<v1::BuildStatus> Get(const std::string& id) {
    v1::GetBuildRequest request;
    request.set_build_id(id);
    v1::BuildStatus response;
    absl::Status status = Call(*builds_, &v1::BuildService::Stub::GetBuild, request, &response);
    return status.ok() ? absl::StatusOr<v1::BuildStatus>(response) : status;
  }

  bool HasEnded(const std::string& id) {
    absl::StatusOr<v1::BuildStatus> build = Get(id);
    return build.ok() && build->state() != v1::QUEUED && build->state() != v1::RUNNING;
  }

  // Submits a build and waits for its end.
  std::string BuildToTheEnd(const v1::SubmitBuildRequest& request) {
    absl::StatusOr<std::string> id = Submit(request);
    EXPECT_OK(id);
    EXPECT_TRUE(WaitUntil([&] { return HasEnded(*id); }));
    return *id;
  }

  // A build that stays in its RUN; returns once that runs.
  std::string StartBlockingBuild() {
    absl::StatusOr<std::string> id =
        Submit(Request("FROM busybox\nRUN echo running; sleep 600; echo " + directory_.path()));
    EXPECT_OK(id);
    EXPECT_TRUE(WaitUntil([&] { return Zlayer({"builds", "logs", *id}).out == "running\n"; }));
    return *id;
  }

  absl::Status Delete(const std::string& id) {
    v1::DeleteBuildRequest request;
    request.set_build_id(id);
    v1::DeleteBuildResponse response;
    return Call(*builds_, &v1::BuildService::Stub::DeleteBuild, request, &response);
  }

  absl::Status Cancel(const std::string& id) {
    v1::CancelBuildRequest request;
    request.set_build_id(id);
    v1::BuildStatus response;
    return Call(*builds_, &v1::BuildService::Stub::CancelBuild, request, &response);
  }

  absl::StatusOr<v1::ListBuildsResponse> List(const v1::ListBuildsRequest& request) {
    v1::ListBuildsResponse response;
    absl::Status status = Call(*builds_, &v1::BuildService::Stub::ListBuilds, request, &response);
    return status.ok() ? absl::StatusOr<v1::ListBuildsResponse>(response) : status;
  }

  absl::StatusOr<v1::PlanBuildResponse> Plan(const v1::BuildSpec& spec) {
    v1::PlanBuildRequest request;
    *request.mutable_spec() = spec;
    v1::PlanBuildResponse response;
    absl::Status status = Call(*builds_, &v1::BuildService::Stub::PlanBuild, request, &response);
    return status.ok() ? absl::StatusOr<v1::PlanBuildResponse>(response) : status;
  }

  v1::SystemInfo Info() {
    v1::SystemInfo response;
    EXPECT_OK(Call(*system_, &v1::SystemService::Stub::Info, v1::InfoRequest(), &response));
    return response;
  }

  // Ends the daemon and returns what it logged.
  std::string StopAndReadLog() {
    daemon_->Signal(SIGTERM);
    Finished finished = daemon_->Wait();
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    daemon_.reset();
    return finished.err;
  }

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::BuildService::Stub> builds_;
  std::unique_ptr<v1::ImageService::Stub> images_;
  std::unique_ptr<v1::SystemService::Stub> system_;
};

TEST_F(ApiTest, ADeletedBuildIsGoneForGood) {
  ImportBusybox();
  const std::string running = StartBlockingBuild();
  EXPECT_THAT(Delete(running), StatusIs(absl::StatusCode::kFailedPrecondition,
                                        HasSubstr("has not ended; cancel it first")));
  ASSERT_OK(Cancel(running));
  ASSERT_TRUE(WaitUntil([&] { return HasEnded(running); }));
  EXPECT_TRUE(std::filesystem::exists(Root() + "/builds/" + running));
  ASSERT_OK(Delete(running));
  EXPECT_FALSE(std::filesystem::exists(Root() + "/builds/" + running));
  EXPECT_THAT(Delete(running), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Get(running), StatusIs(absl::StatusCode::kNotFound));

  const std::string kept = BuildToTheEnd(Request());
  StopDaemon(SIGKILL);
  Start();
  v1::ListBuildsResponse list = List({}).value();
  ASSERT_EQ(list.builds_size(), 1);
  EXPECT_EQ(list.builds(0).id(), kept);
}

TEST_F(ApiTest, AWatcherOutlivesTheDeletionOfWhatItReplays) {
  ImportBusybox();
  const std::string id =
      BuildToTheEnd(Request("FROM busybox\nRUN yes 0123456789 | head -n 30000\n"));
  v1::WatchBuildRequest request;
  request.set_build_id(id);
  grpc::ClientContext context;
  auto stream = builds_->WatchBuild(&context, request);
  v1::BuildEvent event;
  ASSERT_TRUE(stream->Read(&event));
  ASSERT_OK(Delete(id));
  int lines = 0;
  v1::BuildEvent last;
  while (stream->Read(&event)) {
    lines += event.has_output() ? 1 : 0;
    last = event;
  }
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(lines, 30'000);
  EXPECT_TRUE(last.has_build_complete());
  grpc::ClientContext again;
  stream = builds_->WatchBuild(&again, request);
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_THAT(FromGrpc(stream->Finish()), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ApiTest, APlanIsTheGraphWithItsDigests) {
  ImportBusybox();
  const v1::StoreInfo before = Info().store();
  v1::BuildSpec spec = Request(
                           "FROM busybox AS base\nRUN true\n"
                           "FROM scratch AS unused\nLABEL a=b\n"
                           "FROM base\nCOPY --from=base /bin/sh /sh\n")
                           .spec();
  absl::StatusOr<v1::PlanBuildResponse> plan = Plan(spec);
  ASSERT_OK(plan);
  EXPECT_THAT(plan->graph().stages(0).operations(0).image().digest(), HasSubstr("sha256:"));
  ASSERT_EQ(plan->plan().stages_size(), 2);
  EXPECT_EQ(plan->plan().stages(0).base_image(), "busybox");
  EXPECT_THAT(plan->plan().stages(0).instructions(), ElementsAre("RUN true"));
  EXPECT_EQ(plan->plan().stages(1).base_image(), "base");

  // What was planned can be submitted, and planned again.
  v1::BuildSpec graph;
  *graph.mutable_graph() = plan->graph();
  absl::StatusOr<v1::PlanBuildResponse> again = Plan(graph);
  ASSERT_OK(again);
  EXPECT_EQ(again->graph().SerializeAsString(), plan->graph().SerializeAsString());
  EXPECT_EQ(Info().store().SerializeAsString(), before.SerializeAsString());
  EXPECT_EQ(List({}).value().builds_size(), 0);

  spec.mutable_dockerfile_inline()->set_content("FROM nothing:here\n");
  spec.set_pull(v1::PULL_NEVER);
  absl::Status unknown = Plan(spec).status();
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing:here")));
  EXPECT_EQ(DetailOf(unknown).source().first_line(), 1u);
  spec.add_cache_to("x");
  EXPECT_THAT(Plan(spec), StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("cache_to")));
  EXPECT_THAT(Plan({}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("contexts")));
}

TEST_F(ApiTest, RunsMountStagesCachesAndMemory) {
  ImportBusybox();
  const auto build = [&](const std::string& word) {
    v1::SubmitBuildRequest request =
        Request("FROM busybox AS made\nRUN mkdir /out && echo " + word +
                " > /out/file\nFROM busybox\n"
                "RUN --mount=from=made,source=out,target=/in,rw --mount=type=tmpfs,target=/mem "
                "--mount=type=cache,id=log,target=/cache,sharing=locked "
                "cat /in/file >> /cache/log; cat /cache/log; hostname; touch /mem/x /in/x\n");
    (*request.mutable_spec()->mutable_build_args())["BUILDKIT_SANDBOX_HOSTNAME"] = "named";
    request.mutable_spec()->add_tags("mounted");
    const std::string id = BuildToTheEnd(request);
    EXPECT_EQ(Get(id).value().state(), v1::SUCCEEDED);
    return Zlayer({"builds", "logs", id}).out;
  };
  EXPECT_EQ(build("one"), "one\nnamed\n");
  EXPECT_EQ(build("one"), "");
  EXPECT_EQ(build("two"), "one\ntwo\nnamed\n");

  const std::string layout = Path("layout");
  ASSERT_EQ(Zlayer({"export", "--format", "oci-layout", "-o", layout, "mounted"}).exit_code, 0);
  ASSERT_EQ(Execute({"umoci", "unpack", "--image", layout + ":latest", Path("bundle")}).exit_code,
            0);
  for (const char* path : {"in", "cache", "mem"}) {
    EXPECT_FALSE(std::filesystem::exists(Path("bundle/rootfs/") + path)) << path;
  }
  EXPECT_EQ(TemporaryFiles(), std::vector<std::string>());
}

TEST_F(ApiTest, PrivilegesNeedTheDaemonsLeaveAndTheRequests) {
  ImportBusybox();
  v1::SubmitBuildRequest request =
      Request("FROM busybox\nRUN mount -t tmpfs none /sys && echo ok\n");
  absl::StatusOr<v1::PlanBuildResponse> plan = Plan(request.spec());
  ASSERT_OK(plan);
  request.mutable_spec()->Clear();
  *request.mutable_spec()->mutable_graph() = plan->graph();
  request.mutable_spec()
      ->mutable_graph()
      ->mutable_stages(0)
      ->mutable_operations(1)
      ->mutable_run()
      ->set_security(v1::SECURITY_INSECURE);
  request.mutable_spec()->add_entitlements("security.insecure");
  const auto error = [&](const v1::SubmitBuildRequest& refused) {
    return Get(BuildToTheEnd(refused)).value().failure().error();
  };
  EXPECT_THAT(error(request), HasSubstr("native.entitlements"));

  ASSERT_OK(
      WriteFileAtomically(Path("insecure.yaml"), "native: {entitlements: security.insecure}\n"));
  StopDaemon();
  Start({"--config", Path("insecure.yaml")});
  const std::string id = BuildToTheEnd(request);
  EXPECT_EQ(Zlayer({"builds", "logs", id}).out, "ok\n");
  request.mutable_spec()->clear_entitlements();
  EXPECT_THAT(error(request), HasSubstr("the request does not grant"));
}

TEST_F(ApiTest, PagesHaveEveryBuildOnceWhileOthersCome) {
  std::vector<std::string> ids;
  for (int i = 0; i < 12; ++i) {
    v1::SubmitBuildRequest request = Request();
    request.mutable_spec()->add_tags(i % 2 == 0 ? "even" : "odd:1");
    request.set_namespace_(i % 3 == 0 ? "team" : "");
    ids.insert(ids.begin(), BuildToTheEnd(request));
  }
  v1::ListBuildsRequest request;
  request.set_page_size(5);
  std::vector<std::string> listed;
  do {
    absl::StatusOr<v1::ListBuildsResponse> page = List(request);
    ASSERT_OK(page);
    for (const v1::BuildStatus& build : page->builds()) {
      listed.push_back(build.id());
    }
    request.set_page_token(page->next_page_token());
    BuildToTheEnd(Request());
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, ids);

  v1::ListBuildsRequest filtered;
  filtered.set_tag("docker.io/library/even");
  filtered.set_namespace_("team");
  filtered.add_states(v1::SUCCEEDED);
  EXPECT_EQ(List(filtered).value().builds_size(), 2);
  filtered.clear_states();
  filtered.add_states(v1::FAILED);
  EXPECT_EQ(List(filtered).value().builds_size(), 0);
  filtered.set_page_token("garbage");
  EXPECT_THAT(List(filtered),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("page_token")));
}

TEST_F(ApiTest, WhatIsTooLargeIsRefusedByName) {
  v1::SubmitBuildRequest request = Request();
  for (int i = 0; i < 100'000; ++i) {
    (*request.mutable_spec()->mutable_build_args())[std::to_string(i)] = "";
  }
  absl::Status status = Submit(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("build_args: ")));
  EXPECT_EQ(DetailOf(status).subject(), "build_args");

  grpc::ClientContext context;
  auto stream = builds_->Build(&context, request);
  v1::BuildEvent event;
  EXPECT_FALSE(stream->Read(&event));
  EXPECT_THAT(FromGrpc(stream->Finish()), StatusIs(absl::StatusCode::kInvalidArgument));

  v1::InspectImageRequest inspect;
  inspect.set_reference(std::string(1 << 20, 'a'));
  v1::ImageDetail detail;
  EXPECT_THAT(Call(*images_, &v1::ImageService::Stub::InspectImage, inspect, &detail),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("reference: ")));
}

TEST_F(ApiTest, ReflectionNamesTheServices) {
  // ServerReflectionRequest{list_services: ""}, by hand: no package has its stubs.
  grpc::Slice bytes(std::string("\x3a\x00", 2));
  const grpc::ByteBuffer request(&bytes, 1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  grpc::internal::RpcMethod method("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                   grpc::internal::RpcMethod::BIDI_STREAMING);
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
          channel_.get(), method, &context));
  ASSERT_TRUE(stream->Write(request));
  grpc::ByteBuffer reply;
  ASSERT_TRUE(stream->Read(&reply));
  grpc::Slice whole;
  ASSERT_TRUE(reply.DumpToSingleSlice(&whole).ok());
  const std::string text(reinterpret_cast<const char*>(whole.begin()), whole.size());
  for (const char* service : {"zlayer.v1.BuildService", "zlayer.v1.ImageService",
                              "zlayer.v1.SystemService", "grpc.health.v1.Health"}) {
    EXPECT_THAT(text, HasSubstr(service));
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ApiTest, InfoSaysThatTheDaemonDrains) {
  ImportBusybox();
  const std::string id = StartBlockingBuild();
  EXPECT_FALSE(Info().draining());
  daemon_->Signal(SIGTERM);
  EXPECT_TRUE(WaitUntil([&] { return Info().draining(); }));
  EXPECT_THAT(Submit(Request()), StatusIs(absl::StatusCode::kUnavailable));
  ASSERT_OK(Cancel(id));
  EXPECT_EQ(daemon_->Wait().exit_code, 0);
  daemon_.reset();
}

TEST_F(ApiTest, RuntimesAreListedAndRefusedByName) {
  v1::ListRuntimesResponse runtimes;
  ASSERT_OK(Call(*system_, &v1::SystemService::Stub::ListRuntimes, v1::ListRuntimesRequest(),
                 &runtimes));
  std::vector<std::string> names;
  for (const v1::Runtime& runtime : runtimes.runtimes()) {
    names.push_back(runtime.name());
    EXPECT_THAT(runtime.dockerfile(), HasSubstr("\nFROM ")) << runtime.name();
  }
  EXPECT_THAT(names, Contains("node24"));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));

  v1::SubmitBuildRequest request;
  request.mutable_spec()->set_runtime("pyhton");
  const absl::Status status = Submit(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("did you mean python?")));
  EXPECT_EQ(DetailOf(status).reason(), "UNKNOWN_RUNTIME");
}

TEST_F(ApiTest, AnIdempotencyKeyMakesOneBuild) {
  v1::SubmitBuildRequest request = Request();
  request.set_idempotency_key("key");
  std::vector<std::string> ids(16);
  {
    std::vector<std::jthread> threads;
    for (std::string& id : ids) {
      threads.emplace_back([&] { id = Submit(request).value_or("failed"); });
    }
  }
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(List({}).value().builds_size(), 1);
  StopDaemon(SIGKILL);
  Start();
  EXPECT_THAT(Submit(request), IsOkAndHolds(ids[0]));
  request.mutable_spec()->set_no_cache(true);
  EXPECT_THAT(Submit(request), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(ids[0])));
  request.set_namespace_("team");
  absl::StatusOr<std::string> other = Submit(request);
  ASSERT_OK(other);
  EXPECT_NE(*other, ids[0]);
}

// Each run of the command line uploads the context anew.
TEST_F(ApiTest, AnUnchangedDirectoryIsTheSameRequest) {
  WriteContext("Dockerfile", "FROM scratch\nCOPY a /\n");
  WriteContext("a", "one");
  const std::vector<std::string> command = {"build", "--detach", "--idempotency-key", "key",
                                            Context()};
  const Finished first = Zlayer(command);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const std::string id = first.out.substr(0, first.out.find('\n'));
  ASSERT_TRUE(WaitUntil([&] { return HasEnded(id); }));
  EXPECT_EQ(Zlayer(command).out, first.out);
  StopDaemon(SIGKILL);
  Start();
  EXPECT_EQ(Zlayer(command).out, first.out);
  EXPECT_EQ(List({}).value().builds_size(), 1);
  WriteContext("a", "other");
  const Finished changed = Zlayer(command);
  EXPECT_EQ(changed.exit_code, 1);
  EXPECT_THAT(changed.err, HasSubstr("the idempotency key \"key\" belongs to build " + id));
}

TEST_F(ApiTest, TheLogIsJsonOnRequest) {
  StopDaemon();
  Start({"--log-format", "json"});
  ImportBusybox();
  v1::SubmitBuildRequest request = Request("FROM busybox\nRUN echo s3cr3t-output; false\n");
  request.mutable_spec()->add_tags("app");
  const std::string id = BuildToTheEnd(request);
  const std::string log = StopAndReadLog();
  std::vector<std::string> messages;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(entry.is_object()) << line;
    EXPECT_TRUE(entry.contains("time") && entry.contains("level") && entry.contains("module"));
    messages.push_back(entry.at("message"));
    if (messages.back().starts_with("build ")) {
      EXPECT_EQ(entry.at("build"), id) << line;
    }
    if (messages.back() == "build ended") {
      EXPECT_EQ(entry.at("state"), "failed");
      EXPECT_TRUE(entry.at("seconds").is_number());
    }
  }
  for (const char* message :
       {"serving", "build queued", "build started", "build ended", "drain ended", "stopped"}) {
    EXPECT_THAT(messages, Contains(message));
  }
}

TEST_F(ApiTest, TheLogNamesCallsAtDebug) {
  StopDaemon();
  ASSERT_OK(WriteFileAtomically(Path("zlayerd.yaml"), "log: {levels: {service: debug}}\n"));
  Start({"--config", Path("zlayerd.yaml")});
  EXPECT_THAT(Get("nobody"), StatusIs(absl::StatusCode::kNotFound));
  const std::string log = StopAndReadLog();
  EXPECT_THAT(log, HasSubstr("debug service: call method=/zlayer.v1.BuildService/GetBuild "
                             "code=NOT_FOUND seconds="));
  EXPECT_THAT(log, HasSubstr(" info  daemon: serving version="));
}

}  // namespace
}  // namespace zlayer::e2e
