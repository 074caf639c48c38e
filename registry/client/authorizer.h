// Authorization at one registry: the answers to its challenges, and the tokens that it takes
// (distribution's "Token Authentication Specification" and "OAuth2 Token Authentication").
#ifndef ZLAYER_REGISTRY_CLIENT_AUTHORIZER_H_
#define ZLAYER_REGISTRY_CLIENT_AUTHORIZER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "registry/client/outcome.h"
#include "registry/client/registry_client.h"
#include "registry/client/transport.h"
#include "registry/layer/single_flight.h"

namespace zlayer {

// Who asks, and for what.
struct Asker {
  RegistryCredentials credentials;  // empty: anonymous
  std::vector<std::string> scopes;  // "repository:library/debian:pull"
};

struct Authorization {
  Outcome outcome;
  std::string header;  // "Bearer ..." or "Basic ..."; empty: none
};

struct AuthorizerOptions {
  std::string registry;  // for messages
  // Tokens may be fetched, and a password sent, over http: from anywhere, or from loopback alone.
  bool insecure = false;
  bool loopback = false;
  const Clock* clock = SystemClock();
};

// Thread-safe. Threads that want the same token at once fetch it once.
class Authorizer {
 public:
  using Exchange = std::function<TransportResult(const TransportRequest&, std::stop_token)>;

  // `exchange` speaks to the token server.
  Authorizer(AuthorizerOptions options, Exchange exchange);

  // What to send at first: what the registry wanted before, or nothing while it is not known, or
  // cannot be had any more. A token is fetched where there is none that lasts.
  Authorization First(const Asker& asker, std::stop_token stop);

  // What to send after an answer of 401 to `used`. A token that was used is thrown away.
  // kUnauthenticated where there is nothing else to send.
  Authorization After(const TransportReply& refusal, std::string_view used, const Asker& asker,
                      std::stop_token stop);

  // What must not be seen of a request, in the forms that it is sent in.
  static std::vector<std::string> Secrets(const Asker& asker, std::string_view header);

 private:
  struct Challenge {
    bool bearer = false;
    std::string realm;  // of a token server
    std::string service;
  };
  struct Token {
    std::string header;
    int64_t until_ns = 0;
  };

  absl::StatusOr<Challenge> ChallengeOf(const TransportReply& refusal) const;
  Authorization Basic(const Asker& asker) const;
  Authorization Bearer(const Challenge& challenge, const Asker& asker, std::stop_token stop);
  Authorization Fetch(const Challenge& challenge, const Asker& asker, const std::string& key,
                      std::stop_token stop);
  absl::Status CheckRealm(const std::string& realm) const;
  Authorization TokenOf(const TransportReply& reply, const Asker& asker, const std::string& key);
  std::optional<std::string> Cached(const std::string& key);
  void Forget(std::string_view header);

  const AuthorizerOptions options_;
  const Exchange exchange_;
  SingleFlight<Authorization, std::string> flights_;

  Mutex mutex_;
  std::optional<Challenge> challenge_ ABSL_GUARDED_BY(mutex_);  // the last that could be answered
  std::map<std::string, Token> tokens_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_AUTHORIZER_H_
