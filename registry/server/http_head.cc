#include "registry/server/http_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

#include "base/strings.h"

namespace zlayer {
namespace {

namespace http = boost::beast::http;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

// "Sat, 28 Nov 2026 10:30:00 GMT"
std::string HttpDate(time_t now) {
  constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                     kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

// What a request is for, also where it names the server as requests to proxies do (RFC 9112 section
// 3.2.2).
std::string_view WithoutAuthority(std::string_view target) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (target.starts_with(scheme)) {
      const size_t slash = target.find('/', scheme.size());
      return slash == std::string_view::npos ? "/" : target.substr(slash);
    }
  }
  return target;
}

// Whatever a value came from, it cannot begin another header.
std::string OneLine(std::string_view value) {
  std::string line(value);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return (c >= 0 && c < ' ') || c == 127; }, ' ');
  return line;
}

}  // namespace

HttpRequest RequestOf(const RequestParser& parser) {
  const auto& message = parser.get();
  HttpRequest request{.method = std::string(View(message.method_string())),
                      .target = std::string(WithoutAuthority(View(message.target())))};
  for (const auto& field : message) {
    request.headers.emplace_back(ToLower(View(field.name_string())), View(field.value()));
  }
  if (parser.chunked()) {
    request.content_length = std::nullopt;
  } else {
    request.content_length = parser.content_length().value_or(0);
  }
  return request;
}

std::optional<HttpResponse> RefuseHead(const RequestParser& parser) {
  const auto& message = parser.get();
  if (message.version() >= 11 && message.count(http::field::host) != 1) {
    return PlainAnswer(400, "a request needs one Host header");
  }
  if (message.count(http::field::transfer_encoding) != 0 && !parser.chunked()) {
    return PlainAnswer(501, "the only transfer coding that this server takes is chunked");
  }
  const std::string expect = ToLower(View(message[http::field::expect]));
  if (!expect.empty() && expect != "100-continue") {
    return PlainAnswer(417, "the only expectation that this server knows is 100-continue");
  }
  return std::nullopt;
}

HttpResponse PlainAnswer(int status, std::string_view text) {
  HttpResponse response{.status = status, .body = std::string(text) + "\n"};
  response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  return response;
}

std::string FormatHead(const HttpResponse& response, bool keep_alive) {
  std::string head;
  auto out = std::back_inserter(head);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status, ReasonOf(response.status),
                 HttpDate(time(nullptr)));
  for (const auto& [name, value] : response.headers) {
    fmt::format_to(out, "{}: {}\r\n", name, OneLine(value));
  }
  if (response.status != 204 && response.status != 304) {
    fmt::format_to(out, "Content-Length: {}\r\n",
                   response.content ? response.content->size() : response.body.size());
  }
  fmt::format_to(out, "Connection: {}\r\n\r\n", keep_alive ? "keep-alive" : "close");
  return head;
}

std::string_view ReasonOf(int status) {
  return View(http::obsolete_reason(static_cast<http::status>(status)));
}

}  // namespace zlayer
