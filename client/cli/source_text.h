// Lines of a build file, shown with an error or a finding.
#ifndef ZLAYER_CLIENT_CLI_SOURCE_TEXT_H_
#define ZLAYER_CLIENT_CLI_SOURCE_TEXT_H_

#include <absl/status/status.h>

#include <string>

#include "client/progress/row.h"
#include "zlayer/v1/errors.pb.h"

namespace zlayer {

// What is written to this descriptor looks so: as a terminal can, within its width; elsewhere
// without colours, and without an end of the line.
View ViewOf(int fd);

// The excerpt, those of its lines marked that `source` means; empty for an empty one:
//
//   Dockerfile:4
//   --------------------
//      3 |     FROM busybox
//      4 | >>> RNU true
//   --------------------
std::string SourceText(const v1::SourceRange& source, const v1::SourceExcerpt& excerpt,
                       const View& view);

// For commands whose output is for people: what a failure's detail has of the build file goes to
// stdout, unless stderr is a terminal, which gets it below the sentence (main.cc); to others an
// error is one sentence. Returns the status.
absl::Status ShowSource(absl::Status status);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_SOURCE_TEXT_H_
