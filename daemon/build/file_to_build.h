// A build file as it was found.
#ifndef ZLAYER_DAEMON_BUILD_FILE_TO_BUILD_H_
#define ZLAYER_DAEMON_BUILD_FILE_TO_BUILD_H_

#include <optional>
#include <string>

#include "daemon/frontend/dockerfile/ignore.h"
#include "zlayer/v1/build.pb.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

struct FileToBuild {
  v1::InlineFile source;
  bool is_zimagefile = false;
  std::optional<IgnoreFile> ignore;  // what of the context does not count
  // What a ZImagefile that was read says of its image's system, as TargetHints has it.
  std::string os;
  std::string platform;
  // What the program that the image runs is for, where somebody looked and nothing else says it.
  v1::Platform program;

  // As messages have it.
  std::string name() const {
    return !source.name().empty() ? source.name() : is_zimagefile ? "ZImagefile" : "Dockerfile";
  }
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_BUILD_FILE_TO_BUILD_H_
