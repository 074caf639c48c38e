// Which files are ZImagefiles, by their names.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_FILE_NAME_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_FILE_NAME_H_

#include <string_view>

namespace zlayer {

// Whether a file of this name, without a directory, is one that a build finds by itself:
// "ZImagefile", or "ZImagefile." and something.
bool IsZImagefileName(std::string_view file_name);

// Whether a file that a user names is read as a ZImagefile: by the last part of its path, one of
// the names above, or one that ends with .yml or .yaml (any case).
bool IsZImagefilePath(std::string_view path);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_FILE_NAME_H_
