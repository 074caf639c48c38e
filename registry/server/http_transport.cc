#include "registry/server/http_transport.h"

#include <fmt/format.h>

#include <boost/asio/ssl/stream.hpp>
#include <utility>

#include "base/errors.h"

namespace zlayer {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

class PlainTransport : public HttpTransport {
 public:
  explicit PlainTransport(Tcp::socket socket) : socket_(std::move(socket)) {}

  void Handshake(std::function<void(const error_code&)> done) override { done({}); }
  void ReadSome(asio::mutable_buffer buffer, Done done) override {
    socket_.async_read_some(buffer, std::move(done));
  }
  void WriteSome(asio::const_buffer buffer, Done done) override {
    socket_.async_write_some(buffer, std::move(done));
  }
  void FinishWriting(std::function<void()> done) override {
    error_code ignored;
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    done();
  }
  bool IsPlain() const override { return true; }
  Tcp::socket& socket() override { return socket_; }

 private:
  Tcp::socket socket_;
};

class TlsTransport : public HttpTransport {
 public:
  TlsTransport(Tcp::socket socket, asio::ssl::context* context)
      : stream_(std::move(socket), *context) {}

  void Handshake(std::function<void(const error_code&)> done) override {
    stream_.async_handshake(asio::ssl::stream_base::server, std::move(done));
  }
  void ReadSome(asio::mutable_buffer buffer, Done done) override {
    stream_.async_read_some(buffer, std::move(done));
  }
  void WriteSome(asio::const_buffer buffer, Done done) override {
    stream_.async_write_some(buffer, std::move(done));
  }
  void FinishWriting(std::function<void()> done) override {
    stream_.async_shutdown([this, done = std::move(done)](const error_code&) {
      error_code ignored;
      stream_.next_layer().shutdown(Tcp::socket::shutdown_send, ignored);
      done();
    });
  }
  bool IsPlain() const override { return false; }
  Tcp::socket& socket() override { return stream_.next_layer(); }

 private:
  asio::ssl::stream<Tcp::socket> stream_;
};

}  // namespace

std::unique_ptr<HttpTransport> NewPlainTransport(Tcp::socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

std::unique_ptr<HttpTransport> NewTlsTransport(Tcp::socket socket, asio::ssl::context* context) {
  return std::make_unique<TlsTransport>(std::move(socket), context);
}

absl::StatusOr<std::unique_ptr<asio::ssl::context>> NewTlsContext(
    const std::string& certificate_file, const std::string& key_file) {
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  error_code error;
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                           asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                           asio::ssl::context::no_tlsv1_1,
                       error);
  context->use_certificate_chain_file(certificate_file, error);
  if (error) {
    return InvalidArgument(
        fmt::format("the file {} holds no certificate in PEM form that can be used: {}",
                    certificate_file, error.message()));
  }
  context->use_private_key_file(key_file, asio::ssl::context::pem, error);
  if (error) {
    return InvalidArgument(
        fmt::format("the file {} holds no private key in PEM form that belongs to {}: {}", key_file,
                    certificate_file, error.message()));
  }
  return context;
}

}  // namespace zlayer
