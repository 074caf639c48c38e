// The text that --help prints.
#ifndef ZLAYER_CLIENT_CLI_HELP_H_
#define ZLAYER_CLIENT_CLI_HELP_H_

#include <cstddef>
#include <string>

#include "client/cli/command_spec.h"

namespace zlayer {

// How to call the last command of the path, wrapped to `width` columns where words allow it: its
// arguments, the commands below it, its options and those of the program, and its example.
std::string HelpText(const CommandPath& path, size_t width);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_HELP_H_
