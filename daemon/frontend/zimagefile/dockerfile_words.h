// What values of a ZImagefile are to the Dockerfile frontend: words, commands, names. Errors are
// those of Field: kParse where a value is of another type.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_DOCKERFILE_WORDS_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_DOCKERFILE_WORDS_H_

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "daemon/frontend/yaml/field.h"

namespace zlayer {

// A text of a file as a word of a Dockerfile (words.h), whose value it is but for its variables:
// quotes and backslashes stand for themselves, `$$` is a dollar.
std::string ToDockerfileWord(std::string_view text);

// A text in which variables of the build are expanded, as such a word.
absl::StatusOr<std::string> ReadWord(const Field& field);
// A word that must not be empty.
absl::StatusOr<std::string> ReadNonEmptyWord(const Field& field);
// A list of words, or one.
absl::StatusOr<std::vector<std::string>> ReadWords(const Field& field);

// A text where no variable has a value: one that is used must bring its default.
absl::StatusOr<std::string> ReadLiteral(const Field& field);
// A literal that is one of `choices`.
absl::StatusOr<std::string> ReadLiteralChoice(const Field& field,
                                              const std::vector<std::string>& choices);

// A text for the shell, or a list of words to execute. Nothing is expanded in them, which shell or
// program do: only `$${` is `${`.
absl::StatusOr<CommandLine> ReadCommand(const Field& field);

// The name of a stage, context or image behind `from`.
absl::StatusOr<std::string> ReadFrom(const Field& field);

// A map of names to words (names are words, too).
absl::StatusOr<std::vector<NameValue>> ReadWordPairs(const Field& field);
// The same of variables, whose names have no "=".
absl::StatusOr<std::vector<NameValue>> ReadVariablePairs(const Field& field);
// A map of names to literals.
absl::StatusOr<std::vector<NameValue>> ReadLiteralPairs(const Field& field);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_DOCKERFILE_WORDS_H_
