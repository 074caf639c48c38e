// hitsd counts visits: a small HTTP server, the program of zlayerd's example image.
//
//   hitsd [PORT]          serves /, /hits/NAME (counts a visit), /top (most visited first), /healthz
//   hitsd --check [PORT]  asks a running server for /healthz; exits 0 if it is well
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr int kDefaultPort = 8080;
constexpr size_t kMaxRequest = 8192;
constexpr size_t kMaxNames = 10'000;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void SetTimeout(int socket) {
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

bool SendAll(int socket, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = send(socket, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// Reads until the end of the request's head, or to the end of an answer.
std::string Receive(int socket, bool whole) {
  std::string text;
  char buffer[1024];
  while (text.size() < kMaxRequest && (whole || text.find("\r\n\r\n") == std::string::npos)) {
    const ssize_t got = recv(socket, buffer, sizeof(buffer), 0);
    if (got <= 0) {
      break;
    }
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

class Counter {
 public:
  // nullopt once too many names are counted.
  std::optional<long> Hit(const std::string& name) {
    if (hits_.size() >= kMaxNames && !hits_.contains(name)) {
      return std::nullopt;
    }
    return ++hits_[name];
  }

  std::string Top() const {
    std::vector<std::pair<std::string, long>> sorted(hits_.begin(), hits_.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    std::string text;
    for (const auto& [name, count] : sorted) {
      text += std::to_string(count) + " " + name + "\n";
    }
    return text;
  }

 private:
  std::map<std::string, long> hits_;
};

std::string Answer(int code, std::string_view reason, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(code) + " " + std::string(reason) +
         "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string Handle(const std::string& request, Counter* counter) {
  constexpr std::string_view kHits = "/hits/";
  const size_t begin = request.find(' ');
  const size_t end = request.find(' ', begin + 1);
  if (!request.starts_with("GET ") || end == std::string::npos) {
    return Answer(400, "Bad Request", "only GET is served\n");
  }
  const std::string path = request.substr(begin + 1, end - begin - 1);
  if (path == "/") {
    return Answer(200, "OK", "hitsd: GET /hits/NAME counts a visit, GET /top lists them\n");
  }
  if (path == "/healthz") {
    return Answer(200, "OK", "ok\n");
  }
  if (path == "/top") {
    return Answer(200, "OK", counter->Top());
  }
  if (path.starts_with(kHits) && path.size() > kHits.size()) {
    const std::optional<long> count = counter->Hit(path.substr(kHits.size()));
    return count.has_value() ? Answer(200, "OK", std::to_string(*count) + "\n")
                             : Answer(507, "Insufficient Storage", "too many names\n");
  }
  return Answer(404, "Not Found", "no such page\n");
}

int Check(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(port);
  SetTimeout(socket);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    std::perror("hitsd: connecting");
    return 1;
  }
  SendAll(socket, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string answer = Receive(socket, /*whole=*/true);
  std::printf("%s\n", answer.substr(0, answer.find('\r')).c_str());
  return answer.starts_with("HTTP/1.1 200 ") ? 0 : 1;
}

int Serve(int port) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const sockaddr_in address = Loopback(port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener, 64) != 0) {
    std::perror("hitsd: listening");
    return 1;
  }
  std::printf("hitsd serves on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  Counter counter;
  for (;;) {
    const int client = accept(listener, nullptr, nullptr);
    if (client < 0) {
      continue;
    }
    SetTimeout(client);
    SendAll(client, Handle(Receive(client, /*whole=*/false), &counter));
    close(client);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool check = argc > 1 && std::string_view(argv[1]) == "--check";
  const int port_argument = check ? 2 : 1;
  const int port = argc > port_argument ? std::atoi(argv[port_argument]) : kDefaultPort;
  if (port < 1 || port > 65535) {
    std::fprintf(stderr, "usage: hitsd [--check] [PORT]\n");
    return 2;
  }
  std::signal(SIGTERM, [](int) { _exit(0); });
  return check ? Check(port) : Serve(port);
}
