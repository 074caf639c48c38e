// The keys that ZImagefiles have, for those who describe the language.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_KEYS_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_KEYS_H_

#include <map>
#include <string>
#include <vector>

namespace zlayer {

// By the kind of map: "file", "stage", "build", "healthcheck", "wasm"; "step.run" and its like, by
// action; "mount.cache" and its like, by kind.
std::map<std::string, std::vector<std::string>> ZImagefileKeys();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_KEYS_H_
