#include "registry/client/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/errors.h"
#include "registry/client/testing/fake_server.h"
#include "tests/status_matchers.h"

namespace zlayer {
namespace {

using ::testing::HasSubstr;

std::string Answer(const FakeServer::Request& request, FakeServer::Peer& peer) {
  return Reply("200 OK", "X-Thing:  a b \r\n", request.method + " " + peer.Body());
}

TEST(Transport, ExchangesOverOneConnection) {
  FakeServer server(Answer);
  Transport transport({});
  for (const char* method : {"GET", "POST", "PUT", "DELETE"}) {
    const TransportResult result =
        transport.Exchange({.method = method, .url = server.Url("/x"), .headers = {"A: b"}}, {});
    ASSERT_OK(result.outcome.status);
    EXPECT_EQ(result.reply.status, 200);
    EXPECT_EQ(result.reply.Header("x-thing"), "a b");
    EXPECT_EQ(result.reply.body, std::string(method) + " ");
  }
  const TransportResult head = transport.Exchange({.method = "HEAD", .url = server.Url("/x")}, {});
  EXPECT_EQ(head.reply.status, 200);
  const auto requests = server.Requests();
  ASSERT_EQ(requests.size(), 5u);
  EXPECT_EQ(requests[0].Header("a"), "b");
  EXPECT_EQ(requests[1].Header("content-length"), "0");
  EXPECT_EQ(requests[1].Header("content-type"), "");
  EXPECT_EQ(requests[4].connection, 1);
}

TEST(Transport, StreamsFromTheSource) {
  FakeServer server(Answer);
  Transport transport({});
  const std::string piece(300'000, 'x');
  const TransportResult result =
      transport.Exchange({.method = "PUT",
                          .url = server.Url("/x"),
                          .source =
                              [&](const auto& sink) {
                                for (int i = 0; i < 10; ++i) {
                                  if (absl::Status taken = sink(piece); !taken.ok()) {
                                    return taken;
                                  }
                                }
                                return absl::OkStatus();
                              },
                          .source_size = 10 * piece.size(),
                          .max_body = 4'000'000},
                         {});
  ASSERT_OK(result.outcome.status);
  EXPECT_EQ(result.reply.body.size(), 4 + 10 * piece.size());
}

TEST(Transport, SourceOfTheWrongLengthOrThatFails) {
  FakeServer server(Answer);
  Transport transport({});
  const auto put = [&](uint64_t size, absl::Status end) {
    return transport
        .Exchange({.method = "PUT",
                   .url = server.Url("/x"),
                   .source =
                       [&](const auto& sink) {
                         (void)sink("0123456789");
                         return end;
                       },
                   .source_size = size},
                  {})
        .outcome;
  };
  EXPECT_THAT(put(11, {}).status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(put(9, {}).status, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(put(10, {}).status, IsOk());
  const Outcome failed = put(20, Unavailable("the disk is gone"));
  EXPECT_THAT(failed.status, StatusIs(absl::StatusCode::kUnavailable, "the disk is gone"));
  EXPECT_FALSE(failed.may_pass);
}

TEST(Transport, AnEarlyAnswerEndsTheUpload) {
  FakeServer server([](const auto&, FakeServer::Peer& peer) {
    peer.Body(1000);
    peer.Send(Reply("413 Too Large", "Connection: close\r\n"));
    peer.Body();
    return std::string();
  });
  Transport transport({});
  const std::string piece(1 << 20, 'x');
  const TransportResult result = transport.Exchange({.method = "PUT",
                                                     .url = server.Url("/x"),
                                                     .source =
                                                         [&](const auto& sink) {
                                                           absl::Status taken;
                                                           while (taken.ok()) {
                                                             taken = sink(piece);
                                                           }
                                                           return taken;
                                                         },
                                                     .source_size = uint64_t{1} << 40},
                                                    {});
  EXPECT_EQ(result.reply.status, 413);
}

TEST(Transport, BodiesHaveLimits) {
  FakeServer server([](const FakeServer::Request& request, FakeServer::Peer&) {
    return Reply(request.target == "/error" ? "400 Bad" : "200 OK", "", std::string(100'000, 'x'));
  });
  Transport transport({});
  EXPECT_THAT(transport.Exchange({.url = server.Url("/"), .max_body = 99'999}, {}).outcome.status,
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_OK(transport.Exchange({.url = server.Url("/"), .max_body = 100'000}, {}).outcome.status);
  EXPECT_EQ(transport.Exchange({.url = server.Url("/error")}, {}).reply.body.size(), 65'536u);
}

TEST(Transport, HeadersHaveALimit) {
  FakeServer server([](const auto&, const auto&) {
    std::string headers;
    for (int i = 0; i < 100; ++i) {
      headers += "X: " + std::string(1000, 'x') + "\r\n";
    }
    return Reply("200 OK", headers);
  });
  EXPECT_THAT(Transport({}).Exchange({.url = server.Url("/")}, {}).outcome.status,
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(Transport, SinkGetsTheBodyAndMayEndIt) {
  FakeServer server(
      [](const auto&, const auto&) { return Reply("200 OK", "", std::string(1'000'000, 'x')); });
  Transport transport({});
  size_t size = 0;
  TransportRequest request{.url = server.Url("/"), .sink = [&](const auto& head, auto data) {
                             EXPECT_EQ(head.status, 200);
                             size += data.size();
                             return absl::OkStatus();
                           }};
  ASSERT_OK(transport.Exchange(request, {}).outcome.status);
  EXPECT_EQ(size, 1'000'000u);
  request.sink = [](const auto&, auto) { return Unavailable("no room"); };
  const Outcome outcome = transport.Exchange(request, {}).outcome;
  EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kUnavailable, "no room"));
  EXPECT_FALSE(outcome.may_pass);
}

TEST(Transport, BrokenConnectionsMayPass) {
  FakeServer server([](const FakeServer::Request& request, FakeServer::Peer& peer) {
    if (request.target == "/half") {
      peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    }
    return std::string();
  });
  Transport transport({});
  for (const char* path : {"/half", "/nothing"}) {
    const Outcome outcome = transport.Exchange({.url = server.Url(path)}, {}).outcome;
    EXPECT_THAT(outcome.status, StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_TRUE(outcome.may_pass);
  }
  std::string host;
  {
    FakeServer gone(Answer);
    host = gone.Url("/");
  }
  const Outcome refused = transport.Exchange({.url = host}, {}).outcome;
  EXPECT_THAT(refused.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(refused.may_pass);
}

TEST(Transport, StallsEnd) {
  FakeServer server([](const auto&, FakeServer::Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    peer.WaitUntilGone();
    return std::string();
  });
  const Outcome outcome =
      Transport({.stall_ms = 50}).Exchange({.url = server.Url("/")}, {}).outcome;
  EXPECT_THAT(outcome.status,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("nothing moved for 50 ms")));
  EXPECT_TRUE(outcome.may_pass);
}

TEST(Transport, WhoDripsStalls) {
  FakeServer server([](const auto&, FakeServer::Peer& peer) {
    peer.Send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 200; ++i) {
      peer.Send("x");
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return std::string();
  });
  const Outcome outcome =
      Transport({.stall_ms = 200}).Exchange({.url = server.Url("/")}, {}).outcome;
  EXPECT_THAT(outcome.status,
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("nothing moved for 200 ms")));
}

TEST(Transport, StopEndsItSoon) {
  std::stop_source stop;
  FakeServer server([&](const auto&, FakeServer::Peer& peer) {
    stop.request_stop();
    peer.WaitUntilGone();
    return std::string();
  });
  EXPECT_THAT(Transport({}).Exchange({.url = server.Url("/")}, stop.get_token()).outcome.status,
              StatusIs(absl::StatusCode::kCancelled));
}

TEST(Transport, OnlyHttp) {
  Transport transport({});
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "nonsense://x"}) {
    EXPECT_THAT(transport.Exchange({.url = url}, {}).outcome.status,
                StatusIs(absl::StatusCode::kFailedPrecondition))
        << url;
  }
  FakeServer server([](const auto&, const auto&) { return "what do you want\r\n"; });
  EXPECT_THAT(
      transport.Exchange({.url = server.Url("/")}, {}).outcome.status,
      StatusIs(absl::StatusCode::kFailedPrecondition, "the server does not answer in HTTP"));
}

TEST(Transport, SaysThatThereIsNoTls) {
  FakeServer server([](const auto&, const auto&) { return ""; });
  const TransportResult result = Transport({}).Exchange({.url = "https://" + server.Host()}, {});
  EXPECT_FALSE(result.outcome.ok());
  EXPECT_TRUE(result.no_tls);
}

TEST(Transport, LoopbackHasNoProxy) {
  std::string gone;
  {
    FakeServer proxy(Answer);
    gone = proxy.Url("/");
  }
  setenv("http_proxy", gone.c_str(), 1);
  FakeServer server(Answer);
  EXPECT_EQ(Transport({}).Exchange({.url = server.Url("/")}, {}).reply.status, 200);
  EXPECT_FALSE(Transport({}).Exchange({.url = "http://registry.invalid/"}, {}).outcome.ok());
  unsetenv("http_proxy");
}

TEST(Transport, ProxiesComeFromTheEnvironment) {
  FakeServer proxy(Answer);
  setenv("HTTP_PROXY", proxy.Url("").c_str(), 1);
  EXPECT_EQ(Transport({}).Exchange({.url = "http://registry.invalid/v2/"}, {}).reply.status, 200);
  unsetenv("HTTP_PROXY");
  EXPECT_EQ(proxy.Lines(), std::vector<std::string>{"GET http://registry.invalid/v2/"});
}

TEST(Transport, RedirectsAreAnswers) {
  FakeServer server(
      [](const auto&, const auto&) { return Reply("302 Found", "Location: /elsewhere\r\n"); });
  const TransportResult result = Transport({}).Exchange({.url = server.Url("/")}, {});
  EXPECT_EQ(result.reply.status, 302);
  EXPECT_EQ(server.Requests().size(), 1u);
}

TEST(Transport, ThreadsHaveConnectionsOfTheirOwn) {
  FakeServer server(Answer);
  Transport transport({});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20; ++j) {
        EXPECT_EQ(transport.Exchange({.url = server.Url("/")}, {}).reply.status, 200);
      }
    });
  }
  threads.clear();
  for (const FakeServer::Request& request : server.Requests()) {
    EXPECT_LE(request.connection, 4);
  }
}

}  // namespace
}  // namespace zlayer
