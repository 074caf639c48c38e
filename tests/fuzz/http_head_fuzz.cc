// The input is what a peer sends to the registry's server: the head of a request is taken or
// refused, its target means something or not, and nothing in it ends a line of the answer.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "registry/server/byte_range.h"
#include "registry/server/http_head.h"
#include "registry/server/route.h"
#include "tests/fuzz/check.h"

namespace {

using zlayer::HttpResponse;

constexpr uint64_t kSize = 1000;

void CheckAnswer(HttpResponse response, std::string_view text) {
  const size_t headers = response.headers.size() + 1;
  response.headers.emplace_back("Docker-Content-Digest", text);
  const std::string head = zlayer::FormatHead(response, true);
  FUZZ_CHECK(head.ends_with("\r\n\r\n"));
  FUZZ_CHECK(head.find("\r\n\r\n") == head.size() - 4);
  const auto lines = static_cast<size_t>(std::count(head.begin(), head.end(), '\n'));
  FUZZ_CHECK(lines == headers + 5 || lines == headers + 4);  // 304 has no Content-Length
}

void CheckTarget(std::string_view target) {
  auto parsed = zlayer::ParseRoute(target);
  if (auto* refusal = std::get_if<HttpResponse>(&parsed)) {
    FUZZ_CHECK(refusal->status == 404 || refusal->status == 400);
    CheckAnswer(std::move(*refusal), target);
    return;
  }
  const auto& route = std::get<zlayer::Route>(parsed);
  if (!route.name.empty()) {
    FUZZ_CHECK(zlayer::NormalizedRepository(route.name) == route.repository);
    FUZZ_CHECK(route.repository.find("..") == std::string::npos);
  }
  zlayer::IsTagName(route.reference);
  zlayer::IsDigestText(route.reference);
}

void CheckRange(std::string_view header) {
  const zlayer::ByteRange range = zlayer::ParseByteRange(header, kSize);
  if (range.kind != zlayer::ByteRange::Kind::kUnsatisfiable) {
    FUZZ_CHECK(range.offset <= kSize && range.length <= kSize - range.offset);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckTarget(text);
  CheckRange(text);
  zlayer::RequestParser parser;
  parser.header_limit(16 << 10);
  parser.body_limit(UINT64_MAX);
  boost::system::error_code error;
  parser.put(boost::asio::const_buffer(data, size), error);
  if (!parser.is_header_done()) {
    return 0;
  }
  if (auto refusal = zlayer::RefuseHead(parser)) {
    CheckAnswer(*std::move(refusal), text);
    return 0;
  }
  const zlayer::HttpRequest request = zlayer::RequestOf(parser);
  CheckTarget(request.target);
  CheckRange(request.Header("range"));
  for (const auto& [name, value] : request.headers) {
    FUZZ_CHECK(value.find_first_of("\r\n") == std::string::npos);
    CheckAnswer({}, value);
  }
  return 0;
}
