// What an examination of a build file found, for people and programs.
#ifndef ZLAYER_CLIENT_CLI_CHECK_TEXT_H_
#define ZLAYER_CLIENT_CLI_CHECK_TEXT_H_

#include <string>

#include "client/progress/row.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// Each finding with what its rule is about, a link and the lines, then how many there are. An error
// is left to the caller.
std::string CheckText(const v1::CheckBuildResponse& check, const View& view);
// The target with its arguments, secrets, sockets and caches, as tables.
std::string OutlineText(const v1::BuildOutline& outline);
std::string TargetsText(const v1::CheckBuildResponse& check);

// The same as one JSON document with the keys that `docker buildx build --call` uses.
std::string CheckJson(const v1::CheckBuildResponse& check);
std::string OutlineJson(const v1::CheckBuildResponse& check);
std::string TargetsJson(const v1::CheckBuildResponse& check);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_CHECK_TEXT_H_
