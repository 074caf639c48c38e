// Heredocs: which words announce one, and what its text is.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_HEREDOC_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_HEREDOC_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/lexer.h"

namespace zlayer {

// What a word announces: [digits]<<[-][blanks]name; nullopt where it is no heredoc.
// kInvalidArgument: it is one, but quotes in its name are not closed.
absl::StatusOr<std::optional<DockerfileHeredoc>> ParseHeredocWord(std::string_view word);

bool IsHeredocWord(std::string_view word);

// The heredocs that an instruction announces, without content, in the order in which they follow;
// none where it cannot have any. kInvalidArgument: a heredoc's name is malformed.
absl::StatusOr<std::vector<DockerfileHeredoc>> AnnouncedHeredocs(const DockerfileNode& node);

// The content, without the tabs in front of each line where `chomp` is set.
std::string HeredocText(const DockerfileHeredoc& heredoc, bool chomp);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_HEREDOC_H_
