#include "backends/native/net/remote_sources.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "backends/native/net/git_layer.h"
#include "backends/native/net/http_source.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "registry/layer/single_flight.h"

namespace zlayer {
namespace {

constexpr std::string_view kUnnamed = "download";

const std::vector<std::string_view>& HttpSchemes() {
  static const std::vector<std::string_view> schemes = {"https", "http"};
  return schemes;
}

absl::StatusOr<RemoteUrl> ParseGitUrl(const std::string& url) {
  if (url.starts_with("ssh://") || url.starts_with("git@")) {
    return Unimplemented("this version does not fetch git repositories over ssh; use https");
  }
  return ParseRemoteUrl(url, {"https", "http", "git"});
}

absl::StatusOr<std::optional<Digest>> ParseChecksum(const std::string& text) {
  if (text.empty()) {
    return std::nullopt;
  }
  absl::StatusOr<Digest> checksum = Digest::Parse(text);
  if (!checksum.ok()) {
    return Annotate(checksum.status(), "the checksum of a URL");
  }
  return *checksum;
}

absl::Status CheckCommitPrefix(const v1::GitInput& input, const GitTarget& target,
                               const RemoteUrl& url) {
  const std::string wanted = ToLower(input.checksum());
  if (target.commit.starts_with(wanted) || target.object.starts_with(wanted)) {
    return absl::OkStatus();
  }
  return FailedPrecondition(fmt::format("{}: {} is the commit {}, and {} is wanted", url.text,
                                        input.ref().empty() ? "HEAD" : input.ref(), target.commit,
                                        wanted));
}

// Of what a commit holds. Submodules may be relative to the URL; a kept repository names its ref.
Digest GitKey(const RemoteUrl& url, const v1::GitInput& input, const GitTarget& target) {
  const bool keep = input.keep_git_directory();
  return Digest::Of(fmt::format("git {} {} {} {} {}", url.text, target.commit, keep,
                                keep ? target.ref : "", CleanPath(input.subdirectory())));
}

class StoreRemoteSources : public RemoteSources {
 public:
  explicit StoreRemoteSources(const RemoteSourcesOptions& options) : options_(options) {}

  absl::StatusOr<LayerRef> Http(const v1::HttpInput& input, std::string_view name,
                                const FetchScope& scope) override {
    ASSIGN_OR_RETURN(RemoteUrl url, ParseRemoteUrl(input.url(), HttpSchemes()));
    HttpSource::Wanted wanted{.name_space = scope.name_space, .name = std::string(name)};
    ASSIGN_OR_RETURN(wanted.checksum, ParseChecksum(input.checksum()));
    if (wanted.name.empty()) {
      wanted.name = url.file_name.empty() ? kUnnamed : url.file_name;
    }
    wanted.url = std::move(url);
    // Who has other credentials asks for themselves.
    const Digest flight = Digest::Of(
        fmt::format("{} {} {} {}", scope.name_space, wanted.name, input.url(), input.checksum()));
    v1::ErrorDetail failure;
    failure.set_reason("HTTP_FETCH_FAILED");
    failure.set_subject(wanted.url.text);
    return Once(flight, scope, failure, [&]() -> absl::StatusOr<LayerRef> {
      return HttpSource(options_.store, options_.http, wanted)
          .Fetch([&](uint64_t done, uint64_t total,
                     bool complete) { scope.progress(wanted.url.text, done, total, complete); },
                 scope.stop);
    });
  }

  absl::StatusOr<LayerRef> Git(const v1::GitInput& input, const FetchScope& scope) override {
    RETURN_IF_ERROR(CheckGitInput(input));
    ASSIGN_OR_RETURN(const RemoteUrl url, ParseGitUrl(input.url()));
    const Digest flight =
        Digest::Of(fmt::format("{} {}", scope.name_space, input.SerializeAsString()));
    v1::ErrorDetail failure;
    failure.set_reason("GIT_FETCH_FAILED");
    failure.set_subject(url.text);
    return Once(flight, scope, failure, [&] { return FetchGit(input, url, scope); });
  }

 private:
  // Once for a build, and once for all that ask at the same time.
  // `failure` is what an error says besides.
  absl::StatusOr<LayerRef> Once(const Digest& question, const FetchScope& scope,
                                const v1::ErrorDetail& failure,
                                const std::function<absl::StatusOr<LayerRef>()>& fetch) {
    if (scope.memo != nullptr) {
      if (LayerRef known = scope.memo->Find(question); known != nullptr) {
        return known;
      }
    }
    absl::StatusOr<LayerRef> fetched = flights_.Do(question, scope.stop, fetch);
    if (!fetched.ok()) {
      return absl::IsCancelled(fetched.status()) ? fetched.status()
                                                 : WithDetail(fetched.status(), failure);
    }
    LayerRef layer = *std::move(fetched);
    if (scope.memo != nullptr) {
      scope.memo->Put(question, layer);
    }
    return layer;
  }

  absl::StatusOr<LayerRef> FetchGit(const v1::GitInput& input, const RemoteUrl& url,
                                    const FetchScope& scope) {
    ASSIGN_OR_RETURN(
        GitRepository repository,
        GitRepository::Make(options_.executor, options_.store->tmp(), url, options_.git));
    ASSIGN_OR_RETURN(const GitTarget target, repository.LookUp(input.ref(), scope.stop));
    RETURN_IF_ERROR(CheckCommitPrefix(input, target, url));
    const Digest key = GitKey(url, input, target);
    ASSIGN_OR_RETURN(const std::optional<FetchedSource> known,
                     options_.store->fetched().Find(scope.name_space, key));
    if (known.has_value()) {
      absl::StatusOr<LayerRef> layer = options_.store->layers().Get(known->layer);
      if (!absl::IsNotFound(layer.status())) {
        return layer;
      }
    }
    scope.progress(url.text, 0, 0, false);
    RETURN_IF_ERROR(repository.CheckOut(target, input.keep_git_directory(), scope.stop));
    GitLayerOptions layer_options{.tree = repository.tree(),
                                  .subdirectory = input.subdirectory(),
                                  .keep_git = input.keep_git_directory()};
    ASSIGN_OR_RETURN(layer_options.commit_time, repository.CommitTime(scope.stop));
    absl::StatusOr<LayerRef> layer = AddGitLayer(options_.store, layer_options, scope.stop);
    if (!layer.ok()) {
      return Annotate(layer.status(), url.text);
    }
    RETURN_IF_ERROR(
        options_.store->fetched().Put(scope.name_space, key, {.layer = (*layer)->id()}));
    scope.progress(url.text, (*layer)->content_bytes(), (*layer)->content_bytes(), true);
    return layer;
  }

  const RemoteSourcesOptions options_;
  SingleFlight<LayerRef> flights_;
};

}  // namespace

std::unique_ptr<RemoteSources> MakeRemoteSources(const RemoteSourcesOptions& options) {
  return std::make_unique<StoreRemoteSources>(options);
}

absl::Status CheckHttpInput(const v1::HttpInput& input) {
  RETURN_IF_ERROR(ParseRemoteUrl(input.url(), HttpSchemes()).status());
  return ParseChecksum(input.checksum()).status();
}

absl::Status CheckGitInput(const v1::GitInput& input) {
  RETURN_IF_ERROR(ParseGitUrl(input.url()).status());
  if (input.checksum().find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    return InvalidArgument(fmt::format("the checksum \"{}\" of a git repository is not hexadecimal",
                                       ToUtf8(input.checksum())));
  }
  return input.ref().empty() ? absl::OkStatus() : CheckGitRef(input.ref());
}

}  // namespace zlayer
