#include "client/lib/client.h"

#include <cstdlib>
#include <optional>
#include <utility>

#include "base/files.h"
#include "base/status_macros.h"
#include "client/lib/build_follower.h"
#include "client/lib/connection.h"
#include "client/lib/context_uploader.h"
#include "client/lib/context_walker.h"

namespace zlayer {
namespace {

constexpr size_t kMaxIgnoreFile = size_t{1} << 20;

absl::StatusOr<IgnoreRules> ReadIgnoreRules(const std::string& directory) {
  auto text = ReadFile(directory + "/.dockerignore", kMaxIgnoreFile);
  if (absl::IsNotFound(text.status())) {
    return IgnoreRules();
  }
  RETURN_IF_ERROR(text.status());
  return IgnoreRules::Parse(*text, ".dockerignore");
}

absl::StatusOr<v1::BuildComplete> ResultOf(const v1::BuildEvent& terminal) {
  RETURN_IF_ERROR(OutcomeOf(terminal));
  return terminal.build_complete();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Open(const ClientOptions& options) {
  ASSIGN_OR_RETURN(auto connection,
                   Connection::Open(ChooseAddress(options.address, std::getenv("ZLAYER_ADDRESS"))));
  return std::unique_ptr<Client>(new Client(std::move(connection), options.name_space));
}

Client::Client(std::unique_ptr<Connection> connection, std::string name_space)
    : connection_(std::move(connection)), name_space_(std::move(name_space)) {}

Client::~Client() = default;

absl::Status Client::SendDirectory(const std::string& path, v1::BuildSpec* spec,
                                   std::stop_token stop) {
  ASSIGN_OR_RETURN(UniqueFd root, OpenContext(path));
  ASSIGN_OR_RETURN(IgnoreRules rules, ReadIgnoreRules(path));
  DigestCache digests = DigestCache::Open(DigestCache::DefaultPath());
  UploadOptions upload;
  upload.name_space = name_space_;
  upload.spec = spec;
  upload.ignore = &rules;
  upload.digests = &digests;
  ASSIGN_OR_RETURN(v1::ContextReady ready,
                   UploadDirectory(*connection_, root.get(), upload, std::move(stop)));
  (*spec->mutable_contexts())[""].set_uploaded(ready.context_id());
  // Without the cache the next build is slower, nothing else.
  digests.Save().IgnoreError();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Client::Submit(v1::SubmitBuildRequest request, std::stop_token stop) {
  if (request.namespace_().empty()) {
    request.set_namespace_(name_space_);
  }
  ASSIGN_OR_RETURN(
      v1::SubmitBuildResponse response,
      Call(*connection_, connection_->builds(), &v1::BuildService::StubInterface::SubmitBuild,
           request, kCallTimeout, std::move(stop)));
  return response.build_id();
}

absl::StatusOr<v1::BuildComplete> Client::Build(v1::SubmitBuildRequest request,
                                                const EventHandler& handler, std::stop_token stop) {
  if (request.namespace_().empty()) {
    request.set_namespace_(name_space_);
  }
  if (request.idempotency_key().empty()) {
    // Lets a submission whose answer was lost be sent again.
    request.set_idempotency_key(RandomHex());
  }
  ASSIGN_OR_RETURN(v1::BuildEvent terminal, SubmitAndFollow(*connection_, request, handler,
                                                            FollowOptions(), std::move(stop)));
  return ResultOf(terminal);
}

absl::StatusOr<v1::BuildComplete> Client::Watch(const std::string& build_id,
                                                uint64_t after_sequence,
                                                const EventHandler& handler, std::stop_token stop) {
  v1::WatchBuildRequest request;
  request.set_build_id(build_id);
  request.set_after_sequence(after_sequence);
  ASSIGN_OR_RETURN(std::optional<v1::BuildEvent> terminal,
                   FollowBuild(*connection_, request, handler, FollowOptions(), std::move(stop)));
  return ResultOf(*terminal);  // there is one: the build was followed to its end
}

absl::StatusOr<v1::BuildStatus> Client::Get(const std::string& build_id, std::stop_token stop) {
  v1::GetBuildRequest request;
  request.set_build_id(build_id);
  return Call(*connection_, connection_->builds(), &v1::BuildService::StubInterface::GetBuild,
              request, kCallTimeout, std::move(stop));
}

absl::StatusOr<v1::BuildStatus> Client::Cancel(const std::string& build_id, std::stop_token stop) {
  v1::CancelBuildRequest request;
  request.set_build_id(build_id);
  return Call(*connection_, connection_->builds(), &v1::BuildService::StubInterface::CancelBuild,
              request, kCallTimeout, std::move(stop));
}

}  // namespace zlayer
