// The checks that need nothing but the text of a build file.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_TEXT_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_TEXT_H_

#include <string_view>

#include "daemon/frontend/dockerfile/findings.h"
#include "daemon/frontend/dockerfile/lexer.h"

namespace zlayer {

// How keywords and stage names are written, names that are used twice or reserved, comments above
// stages and arguments, MAINTAINER, and what the lexer warns of. `name` is the file's.
void CheckText(const LexedDockerfile& lexed, std::string_view name, Findings* findings);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_CHECK_TEXT_H_
