#include "registry/image/reference.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/digest.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr std::string_view kDefaultRegistry = "docker.io";
constexpr std::string_view kLegacyDefaultRegistry = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::string_view kDefaultTag = "latest";
constexpr size_t kMaxRepository = 255;
constexpr size_t kMaxTag = 128;
// Nothing longer can be right; also keeps messages short.
constexpr size_t kMaxText = 1024;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || IsDigit(c); }
bool IsLetterOrDigit(char c) { return IsLowerOrDigit(c) || IsUpper(c); }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

// The part before the first '/' is a registry where it cannot be the begin of a repository.
bool LooksLikeRegistry(std::string_view first) {
  return first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
         std::any_of(first.begin(), first.end(), IsUpper);
}

bool IsHostName(std::string_view host) {
  for (std::string_view label : Split(host, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-' ||
        !std::all_of(label.begin(), label.end(),
                     [](char c) { return IsLetterOrDigit(c) || c == '-'; })) {
      return false;
    }
  }
  return true;
}

bool IsIpv6(std::string_view host) {
  return host.size() > 2 && host.front() == '[' && host.back() == ']' &&
         std::all_of(host.begin() + 1, host.end() - 1,
                     [](char c) { return IsHex(c) || (c >= 'A' && c <= 'F') || c == ':'; });
}

bool IsRegistry(std::string_view text) {
  size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && text.back() != ']') {
    std::string_view port = text.substr(colon + 1);
    if (port.empty() || !std::all_of(port.begin(), port.end(), IsDigit)) {
      return false;
    }
    text = text.substr(0, colon);
  }
  return IsHostName(text) || IsIpv6(text);
}

bool IsTag(std::string_view text) {
  auto word = [](char c) { return IsLetterOrDigit(c) || c == '_'; };
  return !text.empty() && text.size() <= kMaxTag && word(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return word(c) || c == '.' || c == '-'; });
}

absl::Status Invalid(std::string_view text, std::string_view why) {
  return InvalidArgument(fmt::format("\"{}\" is not an image name: {}", ToUtf8(text), why));
}

absl::Status CheckRepository(std::string_view text, const std::string& repository) {
  if (std::any_of(repository.begin(), repository.end(), IsUpper)) {
    return Invalid(text,
                   fmt::format("the repository must be lower case, \"{}\"", ToLower(repository)));
  }
  if (repository.size() > kMaxRepository) {
    return Invalid(text, fmt::format("the repository has {} characters, at most {} are allowed",
                                     repository.size(), kMaxRepository));
  }
  for (std::string_view component : Split(repository, '/')) {
    if (component.empty()) {
      return Invalid(text, "a part of the repository is empty");
    }
    if (!IsPathComponent(component)) {
      return Invalid(text, fmt::format("the part \"{}\" of the repository must consist of "
                                       "lower-case letters and digits, with single '.', '_', '__' "
                                       "or '-' between them",
                                       ToUtf8(component)));
    }
  }
  return absl::OkStatus();
}

std::string WithSuffix(std::string name, const Reference& reference) {
  if (!reference.tag.empty()) {
    name += ":" + reference.tag;
  }
  if (!reference.digest.empty()) {
    name += "@" + reference.digest;
  }
  return name;
}

// Splits what follows the registry into repository, tag and digest.
absl::Status ParseRemainder(std::string_view text, std::string_view rest, Reference* reference) {
  size_t at = rest.find('@');
  if (at != std::string_view::npos) {
    absl::StatusOr<Digest> digest = Digest::Parse(rest.substr(at + 1));
    if (!digest.ok()) {
      return Invalid(text, "what follows '@' must be \"sha256:\" and 64 lower-case hex digits");
    }
    reference->digest = digest->ToString();
    rest = rest.substr(0, at);
  }
  size_t colon = rest.find(':');
  if (colon != std::string_view::npos) {
    reference->tag = rest.substr(colon + 1);
    if (!IsTag(reference->tag)) {
      return Invalid(text, fmt::format("the tag \"{}\" must have 1 to {} letters, digits, '_', '.' "
                                       "and '-', and begin with none of the last two",
                                       ToUtf8(reference->tag), kMaxTag));
    }
    rest = rest.substr(0, colon);
  } else if (reference->digest.empty()) {
    reference->tag = kDefaultTag;
  }
  if (rest.empty()) {
    return Invalid(text, "the repository is empty");
  }
  reference->repository = rest;
  return absl::OkStatus();
}

}  // namespace

bool NamesRegistry(std::string_view reference) {
  const size_t slash = reference.find('/');
  return slash != std::string_view::npos && LooksLikeRegistry(reference.substr(0, slash));
}

bool IsPathComponent(std::string_view text) {
  size_t at = 0;
  while (true) {
    size_t begin = at;
    while (at < text.size() && IsLowerOrDigit(text[at])) {
      ++at;
    }
    if (at == begin) {
      return false;
    }
    if (at == text.size()) {
      return true;
    }
    char separator = text[at];
    size_t run = text.find_first_not_of(separator, at);
    size_t length = (run == std::string_view::npos ? text.size() : run) - at;
    size_t limit = separator == '.' ? 1 : separator == '_' ? 2 : separator == '-' ? length : 0;
    if (length > limit) {
      return false;
    }
    at += length;
  }
}

absl::StatusOr<Reference> Reference::Parse(std::string_view text) {
  if (text.empty()) {
    return InvalidArgument("the image name is empty");
  }
  if (text.size() > kMaxText) {
    return InvalidArgument(
        fmt::format("an image name of {} characters is too long, at most {} are allowed",
                    text.size(), kMaxText));
  }
  if (text.size() == 2 * Digest::kSize && std::all_of(text.begin(), text.end(), IsHex)) {
    return Invalid(text, "64 hex digits mean a digest");
  }
  Reference reference;
  std::string_view rest = text;
  size_t slash = text.find('/');
  if (slash != std::string_view::npos && LooksLikeRegistry(text.substr(0, slash))) {
    reference.registry = text.substr(0, slash);
    rest = text.substr(slash + 1);
    if (!IsRegistry(reference.registry)) {
      return Invalid(text, fmt::format("\"{}\" is not a host name with an optional port",
                                       ToUtf8(reference.registry)));
    }
  }
  if (reference.registry.empty() || reference.registry == kLegacyDefaultRegistry) {
    reference.registry = kDefaultRegistry;
  }
  RETURN_IF_ERROR(ParseRemainder(text, rest, &reference));
  RETURN_IF_ERROR(CheckRepository(text, reference.repository));
  if (reference.registry == kDefaultRegistry &&
      reference.repository.find('/') == std::string::npos) {
    reference.repository.insert(0, kOfficialPrefix);
  }
  return reference;
}

std::string Reference::Normalized() const { return WithSuffix(registry + "/" + repository, *this); }

std::string Reference::Familiar() const {
  if (registry != kDefaultRegistry) {
    return Normalized();
  }
  std::string_view name = repository;
  if (name.starts_with(kOfficialPrefix) &&
      name.find('/', kOfficialPrefix.size()) == std::string_view::npos) {
    name.remove_prefix(kOfficialPrefix.size());
  }
  if (NamesRegistry(name)) {
    return Normalized();
  }
  return WithSuffix(std::string(name), *this);
}

}  // namespace zlayer
