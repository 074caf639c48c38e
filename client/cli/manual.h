// The manual page, made from the command line itself so that it cannot say anything else.
#ifndef ZLAYER_CLIENT_CLI_MANUAL_H_
#define ZLAYER_CLIENT_CLI_MANUAL_H_

#include <string>
#include <string_view>

#include "client/cli/command_spec.h"

namespace zlayer {

// roff, in the man macros. The same for the same commands and version.
std::string ManualPage(const CommandSpec& program, std::string_view version);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_MANUAL_H_
