// Results that a user names a file for.
#ifndef ZLAYER_CLIENT_LIB_OUTPUT_FILE_H_
#define ZLAYER_CLIENT_LIB_OUTPUT_FILE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace zlayer {

// Where nothing or a plain file is, the new one appears once it is complete, and what was there
// stays if it never is. What is something else, as /dev/null, a FIFO or a link, is not replaced: it
// is written to as it is.
class OutputFile {
 public:
  static absl::StatusOr<OutputFile> Create(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  absl::Status Write(std::string_view data);
  // It is complete. Called once, at the end.
  absl::Status Finish();

 private:
  OutputFile(std::string path, std::string partial, UniqueFd fd);

  std::string path_;
  std::string partial_;  // its name until it is complete; empty where there is none
  UniqueFd fd_;
};

// All of it at once.
absl::Status WriteOutput(const std::string& path, std::string_view content);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_OUTPUT_FILE_H_
