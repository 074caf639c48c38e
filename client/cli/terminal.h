// Text for the width of the terminal.
#ifndef ZLAYER_CLIENT_CLI_TERMINAL_H_
#define ZLAYER_CLIENT_CLI_TERMINAL_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace zlayer {

// The columns of the terminal that stdout is; nullopt where it is none.
std::optional<size_t> TerminalWidth();

// Where help is wrapped: at the terminal's width, but neither below 40 nor above 100 columns.
size_t HelpWidth();

// FormatTable (session.h), with the cells of the column `flexible` cut as far as the table needs to
// fit `width` (but to no less than 8 characters), and control characters made harmless. Without a
// width nothing is changed.
std::string FitTable(std::vector<std::vector<std::string>> rows, size_t flexible,
                     std::optional<size_t> width);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_TERMINAL_H_
