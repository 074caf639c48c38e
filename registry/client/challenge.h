// What a server demands with 401: the header WWW-Authenticate (RFC 9110, section 11.6.1).
#ifndef ZLAYER_REGISTRY_CLIENT_CHALLENGE_H_
#define ZLAYER_REGISTRY_CLIENT_CHALLENGE_H_

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

struct AuthChallenge {
  std::string scheme;  // in lower case: "bearer"
  // By name in lower case: "realm", "service", "scope", "error". Values have no control characters.
  std::map<std::string, std::string, std::less<>> parameters;

  std::string Parameter(std::string_view name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? "" : found->second;
  }
};

// All challenges of one header's value, in their order. kInvalidArgument where it does not follow
// the grammar: a parameter twice, a quote that does not end, characters that do not belong there.
absl::StatusOr<std::vector<AuthChallenge>> ParseChallenges(std::string_view header);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_CHALLENGE_H_
