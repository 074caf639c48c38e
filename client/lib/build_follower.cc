#include "client/lib/build_follower.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/errors.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

bool EndsBuild(const v1::BuildEvent& event) {
  return event.has_build_complete() || event.has_build_failed() || event.has_build_canceled();
}

class Follower {
 public:
  Follower(Connection& connection, const EventHandler& handler, const FollowOptions& options,
           std::stop_token stop)
      : connection_(connection), handler_(handler), stop_(stop), retry_(options, std::move(stop)) {}

  absl::StatusOr<std::optional<v1::BuildEvent>> Run(const v1::SubmitBuildRequest* submit,
                                                    v1::WatchBuildRequest watch);

 private:
  // Reads one stream to its end.
  grpc::Status ReadStream(const v1::SubmitBuildRequest* submit);
  void Take(v1::BuildEvent event);
  // OK: try again, now. Else what to return.
  absl::Status Pause(const v1::SubmitBuildRequest* submit, const grpc::Status& status);

  Connection& connection_;
  const EventHandler& handler_;
  const std::stop_token stop_;
  StreamRetry retry_;
  v1::WatchBuildRequest watch_;
  std::optional<v1::BuildEvent> terminal_;
};

absl::StatusOr<std::optional<v1::BuildEvent>> Follower::Run(const v1::SubmitBuildRequest* submit,
                                                            v1::WatchBuildRequest watch) {
  watch_ = std::move(watch);
  if (absl::Status status = connection_.Connect(std::chrono::seconds(5)); !status.ok()) {
    return status;
  }
  while (true) {
    grpc::Status status = ReadStream(submit);
    if (terminal_.has_value() || (status.ok() && watch_.no_follow())) {
      return terminal_;
    }
    if (stop_.stop_requested()) {
      return Cancelled("the watching of the build was interrupted");
    }
    if (absl::Status pause = Pause(submit, status); !pause.ok()) {
      return pause;
    }
  }
}

grpc::Status Follower::ReadStream(const v1::SubmitBuildRequest* submit) {
  grpc::ClientContext context;
  CancelOnStop cancel(stop_, &context);
  bool is_new = watch_.build_id().empty() && submit != nullptr;
  std::unique_ptr<grpc::ClientReaderInterface<v1::BuildEvent>> stream =
      is_new ? connection_.builds().Build(&context, *submit)
             : connection_.builds().WatchBuild(&context, watch_);
  v1::BuildEvent event;
  while (stream->Read(&event)) {
    Take(std::move(event));
    event.Clear();
  }
  return stream->Finish();
}

void Follower::Take(v1::BuildEvent event) {
  const bool logged = event.sequence() != 0;
  if ((logged && event.sequence() <= watch_.after_sequence()) || terminal_.has_value()) {
    return;
  }
  retry_.News();
  if (!logged) {
    handler_(event);
    return;
  }
  watch_.set_after_sequence(event.sequence());
  if (watch_.build_id().empty()) {
    watch_.set_build_id(event.build_id());
  }
  handler_(event);
  if (EndsBuild(event)) {
    terminal_ = std::move(event);
  }
}

absl::Status Follower::Pause(const v1::SubmitBuildRequest* submit, const grpc::Status& status) {
  absl::Status error =
      status.ok() ? Unavailable(fmt::format("the daemon at {} ended the events of build {} early",
                                            connection_.address(), watch_.build_id()))
                  : connection_.Explain(status);
  if (!status.ok() && !IsBroken(status)) {
    return error;
  }
  bool submitted = !watch_.build_id().empty();
  if (!submitted && (submit->idempotency_key().empty() || connection_.IsReady())) {
    return error;  // the daemon itself refused, or a second request could make a second build
  }
  if (retry_.IsTooLate()) {
    return submitted ? Annotate(error, fmt::format("build {} goes on without this client",
                                                   watch_.build_id()))
                     : error;
  }
  retry_.Wait(error);
  return stop_.stop_requested() ? Cancelled("the watching of the build was interrupted")
                                : absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::BuildEvent> SubmitAndFollow(Connection& connection,
                                               const v1::SubmitBuildRequest& request,
                                               const EventHandler& handler,
                                               const FollowOptions& options, std::stop_token stop) {
  Follower follower(connection, handler, options, std::move(stop));
  auto terminal = follower.Run(&request, v1::WatchBuildRequest());
  if (!terminal.ok()) {
    return terminal.status();
  }
  return **std::move(terminal);
}

absl::StatusOr<std::optional<v1::BuildEvent>> FollowBuild(Connection& connection,
                                                          const v1::WatchBuildRequest& request,
                                                          const EventHandler& handler,
                                                          const FollowOptions& options,
                                                          std::stop_token stop) {
  return Follower(connection, handler, options, std::move(stop)).Run(nullptr, request);
}

absl::Status OutcomeOf(const v1::BuildEvent& terminal) {
  if (terminal.has_build_complete()) {
    return absl::OkStatus();
  }
  if (terminal.has_build_canceled()) {
    const std::string& reason = terminal.build_canceled().reason();
    return Cancelled(fmt::format("build {} was canceled{}{}", terminal.build_id(),
                                 reason.empty() ? "" : ": ", reason));
  }
  return WithDetail(FailedPrecondition(terminal.build_failed().error()),
                    terminal.build_failed().detail());
}

}  // namespace zlayer
