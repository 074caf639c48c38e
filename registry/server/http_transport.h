// The bytes of one connection, plain or through TLS.
#ifndef ZLAYER_REGISTRY_SERVER_HTTP_TRANSPORT_H_
#define ZLAYER_REGISTRY_SERVER_HTTP_TRANSPORT_H_

#include <absl/status/statusor.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace zlayer {

// All but fd() is called on the socket's executor, and so are the callbacks. One read and one write
// may be under way at a time. The transport must outlive what is under way.
class HttpTransport {
 public:
  using Done = std::function<void(const boost::system::error_code&, size_t)>;

  virtual ~HttpTransport() = default;
  virtual void Handshake(std::function<void(const boost::system::error_code&)> done) = 0;
  virtual void ReadSome(boost::asio::mutable_buffer buffer, Done done) = 0;
  virtual void WriteSome(boost::asio::const_buffer buffer, Done done) = 0;
  // Says to the peer that nothing more will come.
  virtual void FinishWriting(std::function<void()> done) = 0;
  // Whether what is written to the socket itself reaches the peer as it is.
  virtual bool IsPlain() const = 0;
  virtual boost::asio::ip::tcp::socket& socket() = 0;
};

std::unique_ptr<HttpTransport> NewPlainTransport(boost::asio::ip::tcp::socket socket);
// `context` must outlive it.
std::unique_ptr<HttpTransport> NewTlsTransport(boost::asio::ip::tcp::socket socket,
                                               boost::asio::ssl::context* context);

// A server's TLS (1.2 and 1.3) with the certificate chain and the key in these PEM files. The error
// names the file that is of no use.
absl::StatusOr<std::unique_ptr<boost::asio::ssl::context>> NewTlsContext(
    const std::string& certificate_file, const std::string& key_file);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_SERVER_HTTP_TRANSPORT_H_
