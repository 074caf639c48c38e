#include "registry/client/authorizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/client/challenge.h"
#include "registry/client/reply_error.h"
#include "registry/client/urls.h"
#include "registry/image/json_reader.h"

namespace zlayer {
namespace {

constexpr size_t kMaxTokenReply = size_t{256} << 10;
constexpr size_t kMaxToken = size_t{48} << 10;
constexpr size_t kMaxTokens = 1000;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kDefaultSeconds = 60;  // as the specification has it
constexpr int64_t kMaxSeconds = 24 * 3600;
constexpr int64_t kMarginSeconds = 10;
constexpr std::string_view kClientId = "zlayerd";

std::string BasicHeader(const RegistryCredentials& who) {
  return "Basic " + EncodeBase64(who.username + ":" + who.password);
}

absl::Status Unauthenticated(const std::string& message) {
  return absl::UnauthenticatedError(message);
}

// A token goes into a header, so it holds nothing that a header cannot.
bool IsToken(std::string_view token) {
  return !token.empty() && token.size() <= kMaxToken &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string TokenKey(std::string_view realm, std::string_view service, const Asker& asker) {
  const RegistryCredentials& who = asker.credentials;
  std::string text;
  for (std::string_view part : {realm, service, std::string_view(who.username),
                                std::string_view(who.password), std::string_view(who.token)}) {
    text += fmt::format("{}:{},", part.size(), part);
  }
  for (const std::string& scope : asker.scopes) {
    text += fmt::format("{}:{},", scope.size(), scope);
  }
  return Digest::Of(text).Hex();
}

// GET, or with an identity token the POST of OAuth2.
TransportRequest TokenRequest(const std::string& realm, const std::string& service,
                              const Asker& asker) {
  const RegistryCredentials& who = asker.credentials;
  TransportRequest request{
      .url = realm, .headers = {"Accept: application/json"}, .max_body = kMaxTokenReply};
  if (who.token.empty()) {
    if (!service.empty()) {
      request.url = WithParameter(request.url, "service", service);
    }
    for (const std::string& scope : asker.scopes) {
      request.url = WithParameter(request.url, "scope", scope);
    }
    if (!who.empty()) {
      request.url = WithParameter(request.url, "account", who.username);
      request.headers.push_back("Authorization: " + BasicHeader(who));
    }
    return request;
  }
  request.method = "POST";
  request.headers.push_back("Content-Type: application/x-www-form-urlencoded");
  request.body = fmt::format("grant_type=refresh_token&service={}&client_id={}&refresh_token={}",
                             EscapeQuery(service), kClientId, EscapeQuery(who.token));
  if (!asker.scopes.empty()) {
    request.body += "&scope=" + EscapeQuery(Join(asker.scopes, " "));
  }
  return request;
}

}  // namespace

Authorizer::Authorizer(AuthorizerOptions options, Exchange exchange)
    : options_(std::move(options)), exchange_(std::move(exchange)) {}

Authorization Authorizer::First(const Asker& asker, std::stop_token stop) {
  std::optional<Challenge> challenge;
  {
    MutexLock lock(&mutex_);
    challenge = challenge_;
  }
  if (!challenge) {
    return {};
  }
  if (challenge->bearer) {
    Authorization known = Bearer(*challenge, asker, stop);
    if (known.outcome.ok() || stop.stop_requested()) {
      return known;
    }
    // It may want something else by now, and says so.
    MutexLock lock(&mutex_);
    challenge_.reset();
    return {};
  }
  // The registry may let everybody read.
  return asker.credentials.empty() ? Authorization() : Basic(asker);
}

Authorization Authorizer::After(const TransportReply& refusal, std::string_view used,
                                const Asker& asker, std::stop_token stop) {
  Forget(used);
  absl::StatusOr<Challenge> challenge = ChallengeOf(refusal);
  if (!challenge.ok()) {
    return {.outcome = {.status = challenge.status()}};
  }
  Authorization answer =
      challenge->bearer ? Bearer(*challenge, asker, std::move(stop)) : Basic(asker);
  if (answer.outcome.ok() && !challenge->bearer && answer.header == used) {
    answer.outcome.status =
        Unauthenticated(fmt::format("{} refuses the user name or the password", options_.registry));
  }
  if (answer.outcome.ok()) {
    MutexLock lock(&mutex_);
    challenge_ = *challenge;
  }
  return answer;
}

std::vector<std::string> Authorizer::Secrets(const Asker& asker, std::string_view header) {
  const RegistryCredentials& who = asker.credentials;
  std::vector<std::string> secrets = {std::string(header.substr(header.find(' ') + 1)),
                                      who.password, who.token};
  if (!who.password.empty()) {
    secrets.push_back(EncodeBase64(who.username + ":" + who.password));
  }
  return secrets;
}

absl::StatusOr<Authorizer::Challenge> Authorizer::ChallengeOf(const TransportReply& refusal) const {
  std::optional<Challenge> basic;
  for (const auto& [name, value] : refusal.headers) {
    if (name != "www-authenticate") {
      continue;
    }
    ASSIGN_OR_RETURN(const std::vector<AuthChallenge> challenges, ParseChallenges(value));
    for (const AuthChallenge& challenge : challenges) {
      if (challenge.scheme == "bearer") {
        return Challenge{.bearer = true,
                         .realm = challenge.Parameter("realm"),
                         .service = challenge.Parameter("service")};
      }
      if (challenge.scheme == "basic") {
        basic = Challenge();
      }
    }
  }
  if (!basic) {
    return Unauthenticated(fmt::format(
        "{} answered 401 without saying that it takes a password or a token", options_.registry));
  }
  return *basic;
}

Authorization Authorizer::Basic(const Asker& asker) const {
  const RegistryCredentials& who = asker.credentials;
  if (who.username.empty() && who.password.empty()) {
    return {.outcome = {.status = Unauthenticated(
                            fmt::format("{0} wants a user name and a password (zlayer login {0})",
                                        options_.registry))}};
  }
  return {.header = BasicHeader(who)};
}

Authorization Authorizer::Bearer(const Challenge& challenge, const Asker& asker,
                                 std::stop_token stop) {
  const std::string key = TokenKey(challenge.realm, challenge.service, asker);
  absl::StatusOr<Authorization> result =
      flights_.Do(key, stop, [&]() -> absl::StatusOr<Authorization> {
        if (std::optional<std::string> header = Cached(key)) {
          return Authorization{.header = *std::move(header)};
        }
        Authorization fetched = Fetch(challenge, asker, key, stop);
        if (absl::IsCancelled(fetched.outcome.status)) {
          return fetched.outcome.status;  // whoever waits fetches it
        }
        return fetched;
      });
  return result.ok() ? *std::move(result) : Authorization{.outcome = {.status = result.status()}};
}

Authorization Authorizer::Fetch(const Challenge& challenge, const Asker& asker,
                                const std::string& key, std::stop_token stop) {
  if (absl::Status good = CheckRealm(challenge.realm); !good.ok()) {
    return {.outcome = {.status = std::move(good)}};
  }
  const TransportRequest request = TokenRequest(challenge.realm, challenge.service, asker);
  TransportResult result = exchange_(request, std::move(stop));
  const std::string who =
      fmt::format("the token server {}", HostOf(OriginOf(challenge.realm).value_or("://")));
  if (!result.outcome.ok()) {
    result.outcome.status = Annotate(result.outcome.status, who);
    return {.outcome = std::move(result.outcome)};
  }
  if (!result.reply.ok()) {
    Outcome error =
        ReplyError(result.reply,
                   {.who = who, .now_ns = options_.clock->NowNs(), .secrets = Secrets(asker, "")});
    if (result.reply.status == 400 || result.reply.status == 401 || result.reply.status == 403) {
      error.status = Unauthenticated(std::string(Message(error.status)));
    }
    return {.outcome = std::move(error)};
  }
  Authorization token = TokenOf(result.reply, asker, key);
  token.outcome.status = Annotate(token.outcome.status, who);
  return token;
}

absl::Status Authorizer::CheckRealm(const std::string& realm) const {
  absl::StatusOr<std::string> origin = OriginOf(realm);
  if (!origin.ok()) {
    return FailedPrecondition(
        fmt::format("{} names a token server that is not at a URL", options_.registry));
  }
  const bool safe = origin->starts_with("https:");
  if (!safe && !options_.insecure && !(options_.loopback && IsLoopback(HostOf(*origin)))) {
    return FailedPrecondition(fmt::format(
        "{} names the token server {}, which speaks http; credentials are sent over https alone",
        options_.registry, HostOf(*origin)));
  }
  return absl::OkStatus();
}

Authorization Authorizer::TokenOf(const TransportReply& reply, const Asker& asker,
                                  const std::string& key) {
  absl::StatusOr<nlohmann::json> document = ParseJsonObject(reply.body, kMaxTokenReply);
  if (!document.ok()) {
    return {.outcome = {.status = FailedPrecondition("its answer is not a JSON object")}};
  }
  absl::Status status;
  const JsonMember root(*document, &status);
  std::string token = root[asker.credentials.token.empty() ? "token" : "access_token"].String();
  if (token.empty()) {
    token = root[asker.credentials.token.empty() ? "access_token" : "token"].String();
  }
  const int64_t seconds = root["expires_in"].Int();
  if (!status.ok() || !IsToken(token)) {
    return {.outcome = {.status = FailedPrecondition("its answer holds no token")}};
  }
  const int64_t lifetime = std::min(seconds > 0 ? seconds : kDefaultSeconds, kMaxSeconds);
  const int64_t now = options_.clock->NowNs();
  const std::string header = "Bearer " + token;
  MutexLock lock(&mutex_);
  std::erase_if(tokens_, [&](const auto& entry) { return entry.second.until_ns <= now; });
  if (tokens_.size() >= kMaxTokens) {
    tokens_.clear();
  }
  tokens_[key] = {
      .header = header,
      .until_ns = now + (lifetime - std::min(kMarginSeconds, lifetime / 4)) * kSecondNs};
  return {.header = header};
}

std::optional<std::string> Authorizer::Cached(const std::string& key) {
  MutexLock lock(&mutex_);
  const auto found = tokens_.find(key);
  return found != tokens_.end() && options_.clock->NowNs() < found->second.until_ns
             ? std::optional(found->second.header)
             : std::nullopt;
}

void Authorizer::Forget(std::string_view header) {
  MutexLock lock(&mutex_);
  std::erase_if(tokens_, [&](const auto& entry) { return entry.second.header == header; });
}

}  // namespace zlayer
