#include "daemon/build/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

// As Go reads them, for BuildKit's sake.
constexpr std::string_view kTrue[] = {"1", "t", "T", "TRUE", "true", "True"};
constexpr std::string_view kFalse[] = {"0", "f", "F", "FALSE", "false", "False"};

constexpr uint64_t kMostLevel = 22;

bool IsOneOf(const std::string_view (&words)[6], std::string_view text) {
  return std::find(std::begin(words), std::end(words), text) != std::end(words);
}

absl::Status SetBool(const std::string& name, const std::string& value, bool* target) {
  if (!IsOneOf(kTrue, value) && !IsOneOf(kFalse, value)) {
    return InvalidArgument(
        fmt::format("{} is \"{}\"; it can be true or false", name, ToUtf8(value.substr(0, 100))));
  }
  *target = IsOneOf(kTrue, value);
  return absl::OkStatus();
}

absl::Status SetCompression(const std::string& value, PushForm* form) {
  if (value == "gzip") {
    form->compression = Compression::kGzip;
  } else if (value == "zstd") {
    form->compression = Compression::kZstd;
  } else if (value == "uncompressed") {
    form->compression = Compression::kNone;
  } else {
    return InvalidArgument(
        fmt::format("\"{}\" is not a compression of layers: gzip, zstd and "
                    "uncompressed are",
                    ToUtf8(value.substr(0, 100))));
  }
  return absl::OkStatus();
}

absl::Status SetLevel(const std::string& value, PushForm* form) {
  const std::optional<uint64_t> level = ParseUint(value);
  if (!level.has_value() || *level > kMostLevel) {
    return InvalidArgument(
        fmt::format("the level of compression is \"{}\"; it can be 0 to 9 for "
                    "gzip, and 1 to 22 for zstd",
                    ToUtf8(value.substr(0, 100))));
  }
  form->level = static_cast<int>(*level);
  return absl::OkStatus();
}

absl::Status SetAttribute(const std::string& name, const std::string& value, ImageOutput* output) {
  if (name == kRewriteTimestamp) {
    return SetBool(name, value, &output->rewrites_timestamps);
  }
  if (name == "push") {
    return SetBool(name, value, &output->push);
  }
  if (name == "push-by-digest") {
    return SetBool(name, value, &output->push_by_digest);
  }
  if (name == "force-compression") {
    return SetBool(name, value, &output->form.force);
  }
  if (name == "compression") {
    return SetCompression(value, &output->form);
  }
  if (name == "compression-level") {
    return SetLevel(value, &output->form);
  }
  return InvalidArgument(fmt::format(
      "\"{}\" is not an attribute of an image: rewrite-timestamp, push, push-by-digest, "
      "compression, compression-level and force-compression are",
      ToUtf8(name.substr(0, 100))));
}

}  // namespace

absl::StatusOr<ImageOutput> ImageOutputOf(const v1::BuildSpec& spec) {
  ImageOutput output;
  for (const v1::BuildSpec::Output& wanted : spec.outputs()) {
    for (const auto& [name, value] : wanted.attributes()) {
      RETURN_IF_ERROR(SetAttribute(name, value, &output));
    }
  }
  RETURN_IF_ERROR(CheckPushForm(output.form));
  output.push = output.push || spec.push();
  if (output.push && spec.tags().empty()) {
    return InvalidArgument("an image without a tag cannot be pushed: give it one");
  }
  return output;
}

absl::StatusOr<PushForm> PushFormOf(const v1::PushCompression& compression) {
  PushForm form;
  if (!compression.type().empty()) {
    RETURN_IF_ERROR(SetCompression(compression.type(), &form));
  }
  if (compression.has_level()) {
    RETURN_IF_ERROR(SetLevel(fmt::format("{}", compression.level()), &form));
  }
  form.force = compression.force();
  RETURN_IF_ERROR(CheckPushForm(form));
  return form;
}

}  // namespace zlayer
