// What a COPY's source is when it comes from a URL: one file, which the source's path names.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_URL_FILE_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_URL_FILE_H_

#include <string>

#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// The file's name; empty where the path says none (it is the root) or the source is no URL.
std::string UrlFileName(const v1::Copy::Source& source);

// The source's pattern: the path as it is, but that of a URL's file is a name and no pattern.
std::string SourcePattern(const v1::Copy::Source& source);

// Whether archives of this source are unpacked.
bool Unpacks(const v1::Copy& copy, const v1::Copy::Source& source);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_URL_FILE_H_
