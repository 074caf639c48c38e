#include "daemon/frontend/dockerfile/heredoc.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/words.h"

namespace zlayer {
namespace {

WordOptions HeredocOptions(bool raw) {
  WordOptions options;
  options.raw_quotes = raw;
  options.keep_unset = true;
  return options;
}

std::optional<std::string> NoVariable(std::string_view) { return std::nullopt; }

size_t CountQuotes(std::string_view word) {
  return static_cast<size_t>(
      std::count_if(word.begin(), word.end(), [](char c) { return c == '\'' || c == '"'; }));
}

}  // namespace

absl::StatusOr<std::optional<DockerfileHeredoc>> ParseHeredocWord(std::string_view word) {
  DockerfileHeredoc heredoc;
  const size_t digits = std::min(word.find_first_not_of("0123456789"), word.size());
  heredoc.descriptor = static_cast<uint32_t>(ParseUint(word.substr(0, digits)).value_or(0));
  word.remove_prefix(digits);
  if (!word.starts_with("<<")) {
    return std::nullopt;
  }
  word.remove_prefix(2);
  if (word.starts_with('-')) {
    heredoc.chomp = true;
    word.remove_prefix(1);
  }
  word = TrimGoSpaceLeft(word);
  if (word.empty() || word.find('<') != std::string_view::npos) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const ExpandedWord plain, ExpandWord(word, NoVariable, HeredocOptions(false)));
  ASSIGN_OR_RETURN(const ExpandedWord raw, ExpandWord(word, NoVariable, HeredocOptions(true)));
  if (plain.words.size() != 1 || raw.words.size() != 1) {
    return std::nullopt;
  }
  heredoc.name = plain.words[0];
  heredoc.expand = CountQuotes(plain.words[0]) == CountQuotes(raw.words[0]);
  return heredoc;
}

bool IsHeredocWord(std::string_view word) {
  const auto heredoc = ParseHeredocWord(word);
  return heredoc.ok() && heredoc->has_value();
}

absl::StatusOr<std::vector<DockerfileHeredoc>> AnnouncedHeredocs(const DockerfileNode& node) {
  std::vector<DockerfileHeredoc> heredocs;
  const DockerfileNode& holder =
      node.keyword == "onbuild" && !node.children.empty() ? node.children[0] : node;
  const bool can_have =
      holder.keyword == "run" || holder.keyword == "copy" || holder.keyword == "add";
  if (!can_have || holder.json || node.original.find("<<") == std::string::npos) {
    return heredocs;
  }
  WordOptions options = HeredocOptions(true);
  options.raw_escapes = true;
  options.join_heredoc = true;
  const auto words = ExpandWord(node.original, NoVariable, options);
  if (!words.ok()) {
    return heredocs;  // shell text with quotes of its own
  }
  for (const std::string& word : words->words) {
    ASSIGN_OR_RETURN(std::optional<DockerfileHeredoc> heredoc, ParseHeredocWord(word));
    if (heredoc) {
      heredocs.push_back(*std::move(heredoc));
    }
  }
  return heredocs;
}

std::string HeredocText(const DockerfileHeredoc& heredoc, bool chomp) {
  if (!chomp) {
    return heredoc.content;
  }
  std::string text;
  bool at_start = true;
  for (const char c : heredoc.content) {
    if (c != '\t' || !at_start) {
      text += c;
      at_start = c == '\n';
    }
  }
  return text;
}

}  // namespace zlayer
