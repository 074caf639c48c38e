#include "client/cli/session.h"

#include <absl/strings/cord.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/errors.h"
#include "base/files.h"
#include "client/cli/interrupts.h"

namespace zlayer {
namespace {

constexpr char kUsage[] = "zlayer.cli/usage";

}  // namespace

absl::StatusOr<Connection*> Session::connection() {
  if (connection_ == nullptr) {
    auto opened = Connection::Open(ChooseAddress(options_.address, std::getenv("ZLAYER_ADDRESS")));
    if (!opened.ok()) {
      return UsageError(Message(opened.status()));
    }
    connection_ = *std::move(opened);
  }
  return connection_.get();
}

std::string ChooseNamespace(std::string_view flag, const char* environment) {
  return std::string(!flag.empty() || environment == nullptr ? flag : environment);
}

absl::Status UsageError(std::string_view message) {
  absl::Status status = InvalidArgument(message);
  status.SetPayload(kUsage, absl::Cord());
  return status;
}

int ExitCode(const absl::Status& status, bool interrupted) {
  if (interrupted) {
    return kInterruptedExitCode;
  }
  if (status.ok()) {
    return 0;
  }
  if (status.GetPayload(kUsage).has_value()) {
    return 2;
  }
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ? 3 : 1;
}

void Print(std::string_view text) {
  if (!WriteFully(STDOUT_FILENO, text).ok()) {
    _exit(1);
  }
}

void PrintError(std::string_view sentence) {
  WriteFully(STDERR_FILENO, fmt::format("{}\n", sentence)).IgnoreError();
}

std::string FormatTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) {
        text.append(widths[i] - row[i].size() + 2, ' ');
      }
    }
    text += '\n';
  }
  return text;
}

}  // namespace zlayer
