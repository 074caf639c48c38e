// The contexts of a request that have names, and what of a build they stand for.
#ifndef ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NAMED_CONTEXTS_H_
#define ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NAMED_CONTEXTS_H_

#include <map>
#include <string>
#include <string_view>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

struct NamedContext {
  std::string name;  // as in the request
  v1::ContextSource source;
};

// A context stands for a stage, and for an image, of its name; "alpine", "alpine:latest" and
// "docker.io/library/alpine" are one name. None stands for "scratch" or "context".
class NamedContexts {
 public:
  explicit NamedContexts(const std::map<std::string, v1::ContextSource>& contexts);

  // Null where there is none.
  const NamedContext* Find(std::string_view name) const;

 private:
  std::map<std::string, NamedContext, std::less<>> by_name_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_DOCKERFILE_NAMED_CONTEXTS_H_
