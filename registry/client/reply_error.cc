#include "registry/client/reply_error.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/strings.h"
#include "registry/client/retry.h"
#include "registry/image/json_reader.h"

namespace zlayer {
namespace {

constexpr size_t kMaxBody = size_t{64} << 10;
constexpr size_t kMaxErrors = 3;
constexpr size_t kMaxText = 300;

struct RegistryError {
  std::string code;
  std::string message;
};

// What of a JSON body can be read; hostile bodies give nothing.
std::vector<RegistryError> ErrorsOf(std::string_view body) {
  absl::StatusOr<nlohmann::json> document = ParseJsonObject(body, kMaxBody);
  std::vector<RegistryError> errors;
  if (!document.ok()) {
    return errors;
  }
  absl::Status status;
  const JsonMember root(*document, &status);
  root["errors"].ForEach([&](const JsonMember& error) {
    errors.push_back({error["code"].String(), error["message"].String()});
  });
  // Token servers.
  for (const char* name : {"details", "error_description", "message"}) {
    absl::Status other;
    const std::string text = JsonMember(*document, &other)[name].String();
    if (errors.empty() && !text.empty()) {
      errors.push_back({.message = text});
    }
  }
  return errors;
}

void Replace(std::string* text, std::string_view what, std::string_view by) {
  for (size_t at = text->find(what); !what.empty() && at != std::string::npos;
       at = text->find(what, at + by.size())) {
    text->replace(at, what.size(), by);
  }
}

// Of everything that a server can put into a message.
std::string Printable(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    Replace(&text, secret, "***");
  }
  text = ToUtf8(text);
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  const std::string_view trimmed = Trim(text);
  const std::string_view cut = CutUtf8(trimmed, kMaxText);
  return fmt::format("{}{}", cut, cut.size() < trimmed.size() ? "..." : "");
}

std::string Explanation(const TransportReply& reply) {
  std::vector<std::string> parts;
  for (const RegistryError& error : ErrorsOf(reply.body)) {
    if (parts.size() < kMaxErrors && !(error.code + error.message).empty()) {
      parts.push_back(error.code.empty() || error.message.empty()
                          ? error.code + error.message
                          : fmt::format("{}: {}", error.code, error.message));
    }
  }
  if (parts.empty() && reply.Header("content-type").starts_with("text/plain")) {
    parts.push_back(reply.body);
  }
  return Join(parts, "; ");
}

absl::StatusCode CodeOf(const TransportReply& reply, bool writes) {
  switch (reply.status) {
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    default:
      break;
  }
  if (MayPass(reply.status)) {
    return absl::StatusCode::kUnavailable;
  }
  return writes && reply.status >= 400 && reply.status < 500
             ? absl::StatusCode::kInvalidArgument
             : absl::StatusCode::kFailedPrecondition;
}

}  // namespace

Outcome ReplyError(const TransportReply& reply, const ReplyContext& context) {
  const std::string why = Printable(Explanation(reply), context.secrets);
  const std::string message = fmt::format("{} answered {}{}", context.who, reply.status,
                                          why.empty() ? "" : fmt::format(" ({})", why));
  return {
      .status = absl::Status(CodeOf(reply, context.writes), message),
      .may_pass = MayPass(reply.status),
      .retry_after_ms = ParseRetryAfter(reply.Header("retry-after"), context.now_ns).value_or(0)};
}

bool HasErrorCode(const TransportReply& reply, std::string_view code) {
  const std::vector<RegistryError> errors = ErrorsOf(reply.body);
  return std::any_of(errors.begin(), errors.end(),
                     [&](const RegistryError& error) { return error.code == code; });
}

}  // namespace zlayer
