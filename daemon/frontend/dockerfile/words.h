// Variables and quotes in the words of a Dockerfile, with the rules of BuildKit's shell lexer.
//
//   $name  ${name}            the value; an unset variable is empty
//   ${name:-w}  ${name-w}     w where the variable is unset (with ':' also where it is empty)
//   ${name:+w}  ${name+w}     w where it is set (and not empty), else nothing
//   ${name:?w}  ${name?w}     an error with the message w where it is unset (or empty)
//   ${name#p}  ${name##p}     the value without the shortest (longest) prefix that matches p
//   ${name%p}  ${name%%p}     the same with a suffix
//   ${name/p/w}  ${name//p/w} the first match (all matches) of p replaced by w
//
// Patterns know `*` and `?`. Single quotes keep all as it is, double quotes keep all but variables;
// quotes themselves are dropped. The escape character takes away the meaning of what follows it.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WORDS_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WORDS_H_

#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// The value of a variable; nullopt where it is not set.
using VariableLookup = std::function<std::optional<std::string>(std::string_view name)>;

struct WordOptions {
  char escape = '\\';
  bool raw_quotes = false;    // quotes stay in the result
  bool raw_escapes = false;   // escape characters stay in the result
  bool plain_quotes = false;  // quotes are characters like any other (the text of a heredoc)
  bool keep_unset = false;    // "$name" of an unset variable stays as it is
  bool join_heredoc = false;  // white space behind "<<" does not end a word
};

struct ExpandedWord {
  std::string text;                // the whole result, white space kept
  std::vector<std::string> words;  // the result split at white space that was not quoted
  // Names of variables that are not set and were used where nothing stands in for them (neither
  // ${name:-w}, ${name:+w} nor ${name:?w}), each once.
  std::vector<std::string> unset;
};

// Expands `word`. Pure. kInvalidArgument, naming the word: a quote or brace is not closed, a
// substitution is malformed or unknown, ${name:?w} failed, substitutions are nested more than 100
// deep, or the result is longer than 1 MiB.
absl::StatusOr<ExpandedWord> ExpandWord(std::string_view word, const VariableLookup& lookup,
                                        const WordOptions& options = {});

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_WORDS_H_
