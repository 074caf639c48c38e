// Heads of HTTP/1.1 messages (RFC 9112): what was parsed made a request, and answers as text.
#ifndef ZLAYER_REGISTRY_SERVER_HTTP_HEAD_H_
#define ZLAYER_REGISTRY_SERVER_HTTP_HEAD_H_

#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/server/http_message.h"

namespace zlayer {

// A body of Boost.Beast that copies nothing: it lists the pieces, which lie in what was parsed.
struct PieceBody {
  using value_type = std::vector<std::string_view>;
  class reader {
   public:
    template <bool kRequest, class Fields>
    reader(boost::beast::http::header<kRequest, Fields>&, value_type& pieces) : pieces_(&pieces) {}
    void init(const boost::optional<uint64_t>&, boost::system::error_code& error) { error = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, boost::system::error_code& error) {
      error = {};
      size_t size = 0;
      for (auto at = boost::asio::buffer_sequence_begin(buffers);
           at != boost::asio::buffer_sequence_end(buffers); ++at) {
        const boost::asio::const_buffer piece = *at;
        pieces_->emplace_back(static_cast<const char*>(piece.data()), piece.size());
        size += piece.size();
      }
      return size;
    }
    void finish(boost::system::error_code& error) { error = {}; }

   private:
    value_type* pieces_;
  };
};

using RequestParser = boost::beast::http::request_parser<PieceBody>;

// The request whose head `parser` has.
HttpRequest RequestOf(const RequestParser& parser);

// The answer to a head that is well-formed and yet cannot be taken: no Host (RFC 9112 section 3.2),
// a transfer coding that is not chunked, an expectation that is not 100-continue.
std::optional<HttpResponse> RefuseHead(const RequestParser& parser);

// A short answer in plain text, for what never reaches the handler.
HttpResponse PlainAnswer(int status, std::string_view text);

// Status line and headers with the empty line at their end.
std::string FormatHead(const HttpResponse& response, bool keep_alive);

// "200" is "OK".
std::string_view ReasonOf(int status);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_HTTP_HEAD_H_
