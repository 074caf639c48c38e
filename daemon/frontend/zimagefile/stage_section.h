// A stage of a ZImagefile, and what it begins with.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STAGE_SECTION_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STAGE_SECTION_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/zimagefile/stage_content.h"
#include "daemon/frontend/zimagefile/zimagefile.h"

namespace zlayer {

// `platform` and `os`, of a stage or of the file.
struct PlatformKeys {
  std::string platform;  // a word
  std::string os;

  // One text for both: of two systems the one that `os` says counts. With both, `platform` has no
  // variables.
  std::string Combined() const;
};

struct StageSection : StageContent {
  std::string base;  // a word; NestedBuildBase(...) where the stage has `build`
  std::optional<NestedBuild> build;
  v1::SourceRange base_source;  // of either
  PlatformKeys platform;
};

// The text of `base`, a word that is no white space and has none.
absl::StatusOr<std::string> ReadBase(const Field& value);

absl::StatusOr<NestedBuild> ReadBuild(const Field& value);

absl::Status ReadOs(const Field& value, std::string* os);

// Reads the stage that is `names[index]` in a file with stages of those names (in lower case).
absl::StatusOr<StageSection> ReadStage(const Field& value, const std::vector<std::string>& names,
                                       size_t index);

// The stage's FROM.
Instruction MakeFrom(const StageSection& stage, std::string_view name);

std::vector<std::string> StageKeys();
std::vector<std::string> BuildKeys();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_STAGE_SECTION_H_
