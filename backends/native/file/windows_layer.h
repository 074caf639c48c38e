// How a layer of an image for Windows lies in its index, and so in its tar: the files are in
// "Files", beside them is the directory "Hives" (of changes to the registry, of which a file
// operation makes none), and PAX records hold what Windows knows of a file and Linux does not.
#ifndef ZLAYER_BACKENDS_NATIVE_FILE_WINDOWS_LAYER_H_
#define ZLAYER_BACKENDS_NATIVE_FILE_WINDOWS_LAYER_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>

namespace zlayer {

// Where the files of a layer for Windows are.
inline constexpr char kWindowsFiles[] = "Files";

// The index with its files there. What has no records of Windows gets its attributes (a directory,
// or a file to be archived) and the security descriptor that BuildKit gives: the administrators'
// and the system's, readable for users, who may make something of their own in a directory.
// `now_ns` is the time of the two directories. Errors are those of LayerIndexBuilder.
absl::StatusOr<std::string> WindowsLayer(std::string index, int64_t now_ns);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_FILE_WINDOWS_LAYER_H_
