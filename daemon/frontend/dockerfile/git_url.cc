#include "daemon/frontend/dockerfile/git_url.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

constexpr std::string_view kUnnamed = "__unnamed__";

// The parts of a URL, or of user@host:path, undecoded.
struct UrlParts {
  std::string_view remote;  // all before '?' and '#'
  std::string_view query;
  std::string_view fragment;
};

std::string_view CutOff(std::string_view* text, char separator) {
  const size_t at = text->find(separator);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view behind = text->substr(at + 1);
  *text = text->substr(0, at);
  return behind;
}

UrlParts SplitUrl(std::string_view text) {
  UrlParts parts;
  parts.fragment = CutOff(&text, '#');
  parts.query = CutOff(&text, '?');
  parts.remote = text;
  return parts;
}

std::optional<uint32_t> HexDigit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? std::make_optional<uint32_t>(lower - 'a' + 10)
                                      : std::nullopt;
}

// nullopt: a '%' is not followed by two hexadecimal digits.
std::optional<std::string> Decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += plus_is_space && text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const std::optional<uint32_t> high = i + 2 < text.size() ? HexDigit(text[i + 1]) : std::nullopt;
    const std::optional<uint32_t> low = i + 2 < text.size() ? HexDigit(text[i + 2]) : std::nullopt;
    if (!high || !low) {
      return std::nullopt;
    }
    decoded += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return decoded;
}

// "https" of "https://..."; empty where there is none.
std::string SchemeOf(std::string_view text) {
  const size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0) {
    return "";
  }
  const std::string scheme = ToLower(text.substr(0, end));
  const bool clean = std::all_of(scheme.begin(), scheme.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
  return clean ? scheme : "";
}

std::string_view PathOf(std::string_view remote) {
  const size_t authority = remote.find("://") + 3;
  const size_t slash = remote.find('/', authority);
  return slash == std::string_view::npos ? std::string_view() : remote.substr(slash);
}

bool IsName(std::string_view text, std::string_view more) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [more](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  });
}

// user@host:path
bool IsScpStyle(std::string_view remote) {
  const size_t at = remote.find('@');
  const size_t colon = remote.find(':');
  return at != std::string_view::npos && colon != std::string_view::npos && at < colon &&
         IsName(remote.substr(0, at), "-_") &&
         IsName(remote.substr(at + 1, colon - at - 1), "-.") &&
         remote.find('\n') == std::string_view::npos;
}

bool IsRepository(const UrlParts& parts, std::string_view text, bool known_git) {
  const std::string scheme = SchemeOf(text);
  if (scheme == "git" || scheme == "ssh") {
    return true;
  }
  if (scheme == "http" || scheme == "https") {
    const std::optional<std::string> path = Decode(PathOf(parts.remote), false);
    return path && (known_git || path->ends_with(".git"));
  }
  return scheme.empty() && IsScpStyle(parts.remote);
}

absl::Status BadQuery(std::string_view url, std::string_view what) {
  return InvalidArgument(fmt::format("the git URL {}: {}", GoQuote(url), what));
}

absl::StatusOr<std::map<std::string, std::string>> ParseQuery(std::string_view url,
                                                              std::string_view query) {
  std::map<std::string, std::string> values;
  for (std::string_view pair : Split(query, '&')) {
    const std::string_view value = CutOff(&pair, '=');
    const std::optional<std::string> key = Decode(pair, true);
    const std::optional<std::string> decoded = Decode(value, true);
    if (pair.empty() && value.empty()) {
      continue;
    }
    if (!key || !decoded) {
      return BadQuery(url, "a \"%\" in it is not followed by two hexadecimal digits");
    }
    if (!values.emplace(*key, *decoded).second) {
      return BadQuery(url, fmt::format("{} has two values", GoQuote(*key)));
    }
  }
  return values;
}

// Sets a part of the URL that may be said twice, but not differently.
absl::Status Agree(std::string_view url, std::string_view what, const std::string& value,
                   std::string* part) {
  if (!part->empty() && *part != value) {
    return BadQuery(
        url, fmt::format("it names two {}, {} and {}", what, GoQuote(*part), GoQuote(value)));
  }
  *part = value;
  return absl::OkStatus();
}

std::string WithPrefix(std::string_view prefix, const std::string& name) {
  return name.starts_with(prefix) ? name : std::string(prefix) + name;
}

// Reads what stands behind '?' into `git`.
class QueryReader {
 public:
  QueryReader(std::string_view url, GitUrl* git) : url_(url), git_(git) {}

  absl::Status Read(const std::map<std::string, std::string>& values) {
    for (const auto& [key, value] : values) {
      RETURN_IF_ERROR(Take(key, value));
    }
    if (!tag_.empty() && !branch_.empty()) {
      return BadQuery(url_, "it names a tag and a branch");
    }
    if (!tag_.empty()) {
      RETURN_IF_ERROR(Agree(url_, "refs", WithPrefix("refs/tags/", tag_), &git_->ref));
    }
    if (!branch_.empty()) {
      RETURN_IF_ERROR(Agree(url_, "refs", WithPrefix("refs/heads/", branch_), &git_->ref));
    }
    if (git_->ref.empty()) {
      git_->ref = git_->checksum;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Take(const std::string& key, const std::string& value) {
    if (key == "keep-git-dir" || key == "submodules" || key == "fetch-by-commit") {
      return TakeBoolean(key, value);
    }
    if (value.empty()) {
      return BadQuery(url_, fmt::format("{} has no value", GoQuote(key)));
    }
    if (key == "ref") {
      return Agree(url_, "refs", value, &git_->ref);
    }
    if (key == "subdir") {
      return Agree(url_, "subdirectories", value, &git_->subdirectory);
    }
    if (key == "checksum" || key == "commit") {
      return Agree(url_, "commits", value, &git_->checksum);
    }
    if (key == "tag") {
      tag_ = value;
    } else if (key == "branch") {
      branch_ = value;
    } else if (key == "mtime") {
      return TakeMtime(value);
    } else {
      return BadQuery(url_, fmt::format("{} is unknown; known are ref, branch, tag, commit, "
                                        "checksum, subdir, keep-git-dir and submodules",
                                        GoQuote(key)));
    }
    return absl::OkStatus();
  }

  absl::Status TakeBoolean(const std::string& key, const std::string& value) {
    const std::optional<bool> flag = value.empty() ? true : ParseGoBool(value);
    if (!flag) {
      return BadQuery(url_, fmt::format("{} is true or false, not {}", key, GoQuote(value)));
    }
    if (key == "keep-git-dir") {
      git_->keep_git_directory = *flag;
    }
    // Fetching by commit only says how; the submodules always come along.
    if (key == "submodules" && !*flag) {
      return Unimplemented("a git URL with submodules=false is not supported by this version");
    }
    return absl::OkStatus();
  }

  absl::Status TakeMtime(const std::string& value) {
    return value == "checkout"
               ? absl::OkStatus()
               : Unimplemented(fmt::format(
                     "a git URL with mtime={} is not supported by this version", value));
  }

  std::string_view url_;
  GitUrl* git_;
  std::string tag_;
  std::string branch_;
};

}  // namespace

absl::StatusOr<std::optional<GitUrl>> ParseGitUrl(std::string_view text, bool known_git) {
  const UrlParts parts = SplitUrl(text);
  const std::optional<std::string> fragment = Decode(parts.fragment, false);
  if (!IsRepository(parts, text, known_git) || !fragment) {
    return std::nullopt;
  }
  GitUrl git;
  git.remote = parts.remote;
  const size_t colon = fragment->find(':');
  git.ref = fragment->substr(0, colon);
  git.subdirectory = colon == std::string::npos ? "" : fragment->substr(colon + 1);
  ASSIGN_OR_RETURN(const auto query, ParseQuery(text, parts.query));
  RETURN_IF_ERROR(QueryReader(text, &git).Read(query));
  return git;
}

bool IsHttpUrl(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

v1::GitInput ToGitInput(GitUrl url) {
  v1::GitInput input;
  input.set_url(std::move(url.remote));
  input.set_ref(std::move(url.ref));
  input.set_subdirectory(std::move(url.subdirectory));
  input.set_checksum(std::move(url.checksum));
  input.set_keep_git_directory(url.keep_git_directory.value_or(false));
  return input;
}

std::string UrlFileName(std::string_view url) {
  const std::optional<std::string> path = Decode(PathOf(SplitUrl(url).remote), false);
  if (!path) {
    return std::string(kUnnamed);
  }
  std::string_view name = *path;
  name = name.substr(0, name.find_last_not_of('/') + 1);
  name = name.substr(name.rfind('/') + 1);
  const bool usable =
      !name.empty() && name != "." && name != ".." && name.find('\0') == std::string_view::npos;
  return std::string(usable ? name : kUnnamed);
}

}  // namespace zlayer
