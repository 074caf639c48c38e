#include "registry/client/challenge.h"

#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kMaxHeader = 16384;
constexpr size_t kMaxParameters = 64;

bool IsAlnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// RFC 9110: tchar.
bool IsTokenChar(char c) {
  return IsAlnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

absl::Status Malformed() {
  return InvalidArgument("the server's WWW-Authenticate header is malformed");
}

class ChallengeParser {
 public:
  explicit ChallengeParser(std::string_view text) : rest_(text) {}

  absl::StatusOr<std::vector<AuthChallenge>> Parse() {
    std::vector<AuthChallenge> challenges;
    SkipCommas();
    while (!rest_.empty()) {
      AuthChallenge challenge{.scheme = ToLower(Token())};
      if (challenge.scheme.empty() || !(rest_.empty() || rest_[0] == ' ' || rest_[0] == ',')) {
        return Malformed();
      }
      if (SkipSpaces() && !SkipToken68()) {
        RETURN_IF_ERROR(ParseParameters(&challenge));
      }
      if (!rest_.empty() && rest_[0] != ',') {
        return Malformed();
      }
      SkipCommas();
      challenges.push_back(std::move(challenge));
    }
    return challenges;
  }

 private:
  // Parameters end before a word that no '=' follows: that is the next challenge.
  absl::Status ParseParameters(AuthChallenge* challenge) {
    while (true) {
      const std::string_view before = rest_;
      const std::string name = ToLower(Token());
      SkipSpaces();
      if (name.empty() || rest_.empty() || rest_[0] != '=') {
        rest_ = before;
        return absl::OkStatus();
      }
      rest_.remove_prefix(1);
      SkipSpaces();
      std::optional<std::string> value = Value();
      if (!value || challenge->parameters.size() == kMaxParameters ||
          !challenge->parameters.emplace(name, *std::move(value)).second) {
        return Malformed();
      }
      SkipSpaces();
      if (rest_.empty()) {
        return absl::OkStatus();
      }
      if (rest_[0] != ',') {
        return Malformed();
      }
      const std::string_view comma = rest_;
      SkipCommas();
      if (!AtParameter()) {
        rest_ = comma;
        return absl::OkStatus();
      }
    }
  }

  bool AtParameter() {
    const std::string_view before = rest_;
    const bool named = !Token().empty();
    SkipSpaces();
    const bool at = named && !rest_.empty() && rest_[0] == '=';
    rest_ = before;
    return at;
  }

  std::string_view Token() {
    size_t end = 0;
    while (end < rest_.size() && IsTokenChar(rest_[end])) {
      ++end;
    }
    const std::string_view token = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return token;
  }

  std::optional<std::string> Value() {
    if (rest_.empty() || rest_[0] != '"') {
      const std::string_view token = Token();
      return token.empty() ? std::nullopt : std::optional<std::string>(token);
    }
    std::string value;
    for (size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return value;
      }
      if (rest_[i] == '\\' && ++i == rest_.size()) {
        return std::nullopt;
      }
      if (IsControl(rest_[i])) {
        return std::nullopt;
      }
      value += rest_[i];
    }
    return std::nullopt;
  }

  // What schemes such as Negotiate send in place of parameters; it is of no use here.
  bool SkipToken68() {
    size_t end = 0;
    while (end < rest_.size() &&
           (IsAlnum(rest_[end]) || std::string_view("-._~+/").find(rest_[end]) != rest_.npos)) {
      ++end;
    }
    const bool some = end > 0;
    while (end < rest_.size() && rest_[end] == '=') {
      ++end;
    }
    const std::string_view behind = Trim(rest_.substr(end));
    if (!some || !(behind.empty() || behind[0] == ',')) {
      return false;
    }
    rest_ = behind;
    return true;
  }

  bool SkipSpaces() {
    const size_t end = rest_.find_first_not_of(" \t");
    const bool some = end != 0;
    rest_.remove_prefix(end == rest_.npos ? rest_.size() : end);
    return some && !rest_.empty();
  }

  void SkipCommas() {
    const size_t end = rest_.find_first_not_of(" \t,");
    rest_.remove_prefix(end == rest_.npos ? rest_.size() : end);
  }

  std::string_view rest_;
};

}  // namespace

absl::StatusOr<std::vector<AuthChallenge>> ParseChallenges(std::string_view header) {
  if (header.size() > kMaxHeader) {
    return Malformed();
  }
  return ChallengeParser(header).Parse();
}

}  // namespace zlayer
