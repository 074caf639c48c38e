#include "registry/server/http_connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

#include "base/errors.h"

namespace zlayer {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Tcp = asio::ip::tcp;

constexpr size_t kBufferBytes = size_t{256} << 10;
// What one task of the pool sends of a blob, so that others get their turn.
constexpr uint64_t kSlice = uint64_t{8} << 20;
// A task waits so long for the peer to take more of a blob: to give up the thread and get one again
// costs more than a peer that keeps up needs.
constexpr int kPatienceMs = 5;
constexpr std::chrono::milliseconds kLinger{2000};
// A peer that moves this much a second is waited for.
constexpr uint64_t kLeastRate = 1024;

bool BecomesWritable(int fd) {
  pollfd waited{.fd = fd, .events = POLLOUT, .revents = 0};
  return poll(&waited, 1, kPatienceMs) > 0;
}

}  // namespace

HttpConnection::HttpConnection(std::unique_ptr<HttpTransport> transport,
                               const HttpConnectionHost* host)
    : transport_(std::move(transport)),
      host_(host),
      fd_(transport_->socket().native_handle()),
      timer_(transport_->socket().get_executor()),
      in_(new char[kBufferBytes]) {}

HttpConnection::~HttpConnection() {
  if (sink_ != nullptr || (response_ && response_->content != nullptr)) {
    auto sink = std::shared_ptr<HttpBodySink>(std::move(sink_));
    auto content =
        response_ ? std::shared_ptr<HttpContent>(std::move(response_->content)) : nullptr;
    host_->pool->Submit([sink = std::move(sink), content = std::move(content)]() mutable {
      sink.reset();
      content.reset();
    });
  }
  host_->closed();
}

void HttpConnection::Start() {
  asio::post(timer_.get_executor(), [self = shared_from_this()] {
    error_code ignored;
    self->transport_->socket().native_non_blocking(true, ignored);
    self->transport_->socket().set_option(Tcp::no_delay(true), ignored);
    self->Arm(self->host_->limits.stall);
    self->transport_->Handshake([self](const error_code& error) {
      if (!error) {
        self->NextRequest();
      }
    });
  });
}

void HttpConnection::Drain() {
  asio::post(timer_.get_executor(), [self = shared_from_this()] {
    self->draining_ = true;
    if (self->idle_) {
      self->ShutDown();
    }
  });
}

void HttpConnection::Abort() {
  asio::post(timer_.get_executor(), [self = shared_from_this()] {
    self->draining_ = true;
    self->ShutDown();
  });
}

void HttpConnection::Arm(std::chrono::nanoseconds limit) {
  armed_ = std::chrono::steady_clock::now();
  timer_.expires_after(limit);
  timer_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (!error && self != nullptr &&
        self->timer_.expiry() <= asio::steady_timer::clock_type::now()) {
      self->ShutDown();
    }
  });
}

void HttpConnection::Disarm() { timer_.cancel(); }

void HttpConnection::Moved(uint64_t bytes) {
  const std::chrono::nanoseconds most = host_->limits.stall;
  const uint64_t enough = static_cast<uint64_t>(most.count()) / 1'000'000'000 * kLeastRate;
  const std::chrono::nanoseconds earned(
      static_cast<int64_t>(std::min(bytes, enough + kLeastRate) * 1'000'000'000 / kLeastRate));
  patience_ = std::min(most, patience_ + earned);
}

void HttpConnection::Waited() { patience_ -= std::chrono::steady_clock::now() - armed_; }

// What is under way fails, and with its callback goes the last that holds this. The descriptor
// stays open until then: a task of the pool may use it.
void HttpConnection::ShutDown() {
  error_code ignored;
  transport_->socket().shutdown(Tcp::socket::shutdown_both, ignored);
  Disarm();
}

void HttpConnection::OnPool(Continuation task, Continuation then) {
  Disarm();
  host_->pool->Submit([self = shared_from_this(), task, then] {
    (self.get()->*task)();
    asio::post(self->timer_.get_executor(), [self, then] { (self.get()->*then)(); });
  });
}

// Without a limit the one that is armed goes on to count.
void HttpConnection::ReadMore(std::chrono::nanoseconds limit, Continuation then) {
  if (limit.count() != 0) {
    Arm(limit);
  }
  transport_->ReadSome(asio::buffer(in_.get() + end_, kBufferBytes - end_),
                       [self = shared_from_this(), then](const error_code& error, size_t size) {
                         self->end_ += size;
                         self->Waited();
                         self->Moved(size);
                         if (error) {
                           self->OnReadError();
                         } else {
                           (self.get()->*then)();
                         }
                       });
}

// What it writes must stay where it is.
void HttpConnection::WriteAll(std::string_view data, Continuation then) {
  Arm(patience_);
  transport_->WriteSome(
      asio::buffer(data.data(), data.size()),
      [self = shared_from_this(), data, then](const error_code& error, size_t size) {
        self->Waited();
        self->Moved(size);
        if (error) {
          self->ShutDown();
        } else if (size < data.size()) {
          self->WriteAll(data.substr(size), then);
        } else {
          (self.get()->*then)();
        }
      });
}

// Nothing may refer to what lies before.
void HttpConnection::Compact() {
  std::memmove(in_.get(), in_.get() + begin_, end_ - begin_);
  end_ -= std::exchange(begin_, 0);
}

void HttpConnection::NextRequest() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(host_->limits.head_bytes));
  parser_->body_limit(UINT64_MAX);  // the sink has the limits
  Compact();
  if (draining_) {
    ShutDown();
    return;
  }
  idle_ = end_ == 0;
  Arm(host_->limits.stall);
  if (idle_) {
    ReadMore({}, &HttpConnection::ParseHead);
  } else {
    ParseHead();
  }
}

void HttpConnection::ParseHead() {
  if (std::exchange(idle_, false)) {
    Arm(host_->limits.stall);
  }
  error_code error;
  begin_ += parser_->put(asio::const_buffer(in_.get() + begin_, end_ - begin_), error);
  if (parser_->is_header_done()) {
    OnHead();
  } else if (error == http::error::need_more) {
    ReadMore({}, &HttpConnection::ParseHead);
  } else if (error == http::error::header_limit) {
    Answer(PlainAnswer(431, "the head of the request is too large"));
  } else {
    Answer(PlainAnswer(400, "this is no request of HTTP/1.1"));
  }
}

void HttpConnection::OnHead() {
  parser_->eager(true);
  if (auto refusal = RefuseHead(*parser_)) {
    Answer(*std::move(refusal));
    return;
  }
  request_ = RequestOf(*parser_);
  BePatient();
  OnPool(&HttpConnection::CallHandler, &HttpConnection::AfterHandler);
}

void HttpConnection::CallHandler() {
  HttpOutcome outcome = host_->handler->Handle(request_);
  if (auto* response = std::get_if<HttpResponse>(&outcome)) {
    response_ = std::move(*response);
  } else if (auto* later = std::get_if<HttpLater>(&outcome)) {
    later_ = std::move(*later);
  } else {
    sink_ = std::move(std::get<std::unique_ptr<HttpBodySink>>(outcome));
  }
}

void HttpConnection::AfterHandler() {
  if (response_) {
    Respond();
  } else if (later_ != nullptr) {
    AnswerLater();
  } else if (!parser_->is_done() && begin_ == end_ && parser_->get().version() >= 11 &&
             !request_.Header("expect").empty()) {
    WriteAll("HTTP/1.1 100 Continue\r\n\r\n", &HttpConnection::ParseBody);
  } else {
    ParseBody();
  }
}

// No thread and no timer waits with it: whoever fetches has limits of its own.
void HttpConnection::AnswerLater() {
  const HttpLater later = std::exchange(later_, nullptr);
  // Given on with the answer: the thread that has that may outlive the server's.
  const auto held = std::make_shared<std::shared_ptr<HttpConnection>>(shared_from_this());
  later(host_->stop, [held](HttpResponse response) {
    auto answer = std::make_shared<HttpResponse>(std::move(response));
    const auto executor = (*held)->timer_.get_executor();
    asio::post(executor, [self = std::move(*held), answer = std::move(answer)] {
      self->response_ = std::move(*answer);
      self->Respond();
    });
  });
}

void HttpConnection::ParseBody() {
  const auto& pieces = parser_->get().body();
  error_code error;
  if (!parser_->is_done() && begin_ < end_) {
    begin_ += parser_->put(asio::const_buffer(in_.get() + begin_, end_ - begin_), error);
  }
  if (pieces.empty()) {
    Compact();
  }
  const bool full = end_ == kBufferBytes;
  if ((error && error != http::error::need_more) || (full && pieces.empty())) {
    response_ = PlainAnswer(400, "the body of the request is malformed");
    OnPool(&HttpConnection::DropSink, &HttpConnection::Respond);
  } else if (full || parser_->is_done()) {
    OnPool(&HttpConnection::TakeBody, &HttpConnection::AfterBody);
  } else {
    ReadMore(std::max(patience_, std::chrono::nanoseconds(1)), &HttpConnection::ParseBody);
  }
}

void HttpConnection::TakeBody() {
  for (std::string_view piece : parser_->get().body()) {
    if (auto answer = sink_->Append(piece)) {
      response_ = std::move(answer);
      sink_.reset();
      return;
    }
  }
  if (parser_->is_done()) {
    response_ = sink_->Finish();
    sink_.reset();
  } else if (broken_) {
    sink_.reset();
  }
}

void HttpConnection::AfterBody() {
  parser_->get().body().clear();
  if (response_) {
    Respond();
  } else if (broken_) {
    ShutDown();
  } else {
    ParseBody();
  }
}

// What arrived of a body is still taken: an upload may go on from there.
void HttpConnection::OnReadError() {
  if (sink_ == nullptr) {
    ShutDown();
    return;
  }
  broken_ = true;
  OnPool(&HttpConnection::TakeBody, &HttpConnection::AfterBody);
}

void HttpConnection::DropSink() { sink_.reset(); }

// To what never reaches the handler. Who sends that is not listened to any longer.
void HttpConnection::Answer(HttpResponse response) {
  draining_ = true;
  request_ = HttpRequest();
  response_ = std::move(response);
  Respond();
}

void HttpConnection::Respond() {
  if (!response_->error.ok()) {
    host_->log(request_, response_->error);
  }
  keep_alive_ = parser_->is_done() && parser_->keep_alive() && !draining_;
  head_ = FormatHead(*response_, keep_alive_);
  if (!IsHead()) {
    head_ += response_->body;
  }
  sent_ = 0;
  credited_ = 0;
  out_size_ = 0;
  out_sent_ = 0;
  BePatient();
  WriteAll(head_, &HttpConnection::SendContent);
}

void HttpConnection::SendContent() {
  const HttpContent* content = response_->content.get();
  if (content == nullptr) {
    EndResponse();
  } else if (IsHead() || sent_ == content->size()) {
    OnPool(&HttpConnection::DropContent, &HttpConnection::EndResponse);
  } else if (transport_->IsPlain()) {
    OnPool(&HttpConnection::SendPlain, &HttpConnection::AfterSendPlain);
  } else {
    OnPool(&HttpConnection::ReadContent, &HttpConnection::AfterReadContent);
  }
}

// The bytes are copied, for files, too: to loopback sendfile takes half as long again, and more of
// the processor.
void HttpConnection::SendPlain() {
  const uint64_t end = std::min(response_->content->size(), sent_ + kSlice);
  would_block_ = false;
  while (sent_ < end && !would_block_ && send_error_.ok()) {
    if (out_sent_ == out_size_) {
      ReadContent();
      if (!read_error_.ok()) {
        return;
      }
    }
    const ssize_t size =
        send(fd_, out_.get() + out_sent_, out_size_ - out_sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size >= 0) {
      sent_ += static_cast<uint64_t>(size);
      out_sent_ += static_cast<size_t>(size);
    } else if (errno == EAGAIN) {
      would_block_ = !BecomesWritable(fd_);
    } else if (errno != EINTR) {
      send_error_ = ErrnoError("sending a blob");
    }
  }
}

void HttpConnection::AfterSendPlain() {
  if (!read_error_.ok() || !send_error_.ok()) {
    EndContent();
    return;
  }
  Moved(sent_ - std::exchange(credited_, sent_));
  if (!would_block_) {
    SendContent();
    return;
  }
  Arm(patience_);
  transport_->socket().async_wait(Tcp::socket::wait_write,
                                  [self = shared_from_this()](const error_code& error) {
                                    self->Waited();
                                    error ? self->ShutDown() : self->SendContent();
                                  });
}

// What comes behind the bytes that were sent.
void HttpConnection::ReadContent() {
  if (out_ == nullptr) {
    out_.reset(new char[kBufferBytes]);
  }
  HttpContent& content = *response_->content;
  out_size_ = static_cast<size_t>(std::min<uint64_t>(kBufferBytes, content.size() - sent_));
  out_sent_ = 0;
  read_error_ = content.Read(sent_, out_.get(), out_size_, host_->stop);
}

void HttpConnection::AfterReadContent() {
  if (!read_error_.ok()) {
    EndContent();
    return;
  }
  sent_ += out_size_;
  WriteAll({out_.get(), out_size_}, &HttpConnection::SendContent);
}

// The answer cannot be sent whole.
void HttpConnection::EndContent() {
  if (!read_error_.ok()) {
    host_->log(request_, read_error_);
  }
  ShutDown();
}

void HttpConnection::DropContent() { response_->content.reset(); }

void HttpConnection::EndResponse() {
  response_.reset();
  out_.reset();
  if (keep_alive_) {
    NextRequest();
  } else {
    Linger();
  }
}

// Closing while bytes of the peer are unread would reset the connection, and it might never see the
// answer. So it gets a moment to read that and hang up.
void HttpConnection::Linger() {
  Arm(kLinger);
  if (parser_->is_done() || transport_->IsPlain()) {
    transport_->FinishWriting([self = shared_from_this()] { self->Discard(); });
  } else {
    Discard();  // TLS that was told to end takes nothing more
  }
}

void HttpConnection::Discard() {
  begin_ = 0;
  end_ = 0;
  ReadMore({}, &HttpConnection::Discard);
}

}  // namespace zlayer
