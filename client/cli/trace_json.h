// A build's spans as Chrome and Perfetto show them.
#ifndef ZLAYER_CLIENT_CLI_TRACE_JSON_H_
#define ZLAYER_CLIENT_CLI_TRACE_JSON_H_

#include <string>
#include <string_view>
#include <vector>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

// A document in Chrome's trace event format: a complete event ("X") a span, in the order in which
// they begin, with times in microseconds since the first; what a span is about is its argument
// "subject". Lanes are threads.
std::string TraceJson(std::string_view build_id, std::vector<v1::Span> spans);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_TRACE_JSON_H_
