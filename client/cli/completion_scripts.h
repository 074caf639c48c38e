// What a shell needs to complete the command line: a function that asks `zlayer __complete`.
#ifndef ZLAYER_CLIENT_CLI_COMPLETION_SCRIPTS_H_
#define ZLAYER_CLIENT_CLI_COMPLETION_SCRIPTS_H_

#include <string_view>

namespace zlayer {

// For "bash" (4.4 or newer; works without the package bash-completion), "zsh" or "fish".
std::string_view CompletionScript(std::string_view shell);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_COMPLETION_SCRIPTS_H_
