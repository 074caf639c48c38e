// The input is a ZPipeline file: what reads well has images with good names and dependencies.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/errors.h"
#include "daemon/frontend/pipeline/pipeline_file.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  zlayer::PipelineFileOptions options;
  options.name = "f";
  const absl::StatusOr<zlayer::PipelineFile> file = zlayer::ParsePipelineFile(text, options);
  if (!file.ok()) {
    FUZZ_CHECK(zlayer::Message(file.status()).starts_with("f:"));
    return 0;
  }
  FUZZ_CHECK(!file->images.empty());
  FUZZ_CHECK(!zlayer::FindDependencyError(zlayer::NodesOf(file->images)).has_value());
  for (const zlayer::PipelineFileImage& image : file->images) {
    FUZZ_CHECK(!image.file.empty());
    FUZZ_CHECK(zlayer::SpecOf(*file, image, {}).IsInitialized());
  }
  return 0;
}
