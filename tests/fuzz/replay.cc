// Runs a fuzz target once with each file of the folders and files that the command line names.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace zlayer {
namespace {

bool Replay(const std::string& file) {
  const absl::StatusOr<std::string> input = ReadFile(file);
  if (!input.ok()) {
    std::fprintf(stderr, "%s: %s\n", file.c_str(), input.status().ToString().c_str());
    return false;
  }
  std::fprintf(stderr, "%s\n", file.c_str());  // the last one named is the one that failed
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input->data()), input->size());
  return true;
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  int count = 0;
  for (int i = 1; i < argc; ++i) {
    std::error_code error;
    std::filesystem::recursive_directory_iterator entries(argv[i], error);
    if (error) {
      std::fprintf(stderr, "%s: %s\n", argv[i], error.message().c_str());
      return 1;
    }
    for (const auto& entry : entries) {
      if (entry.is_regular_file(error)) {
        if (!zlayer::Replay(entry.path())) {
          return 1;
        }
        ++count;
      }
    }
  }
  std::fprintf(stderr, "%d inputs\n", count);
  return count == 0 ? 1 : 0;
}
