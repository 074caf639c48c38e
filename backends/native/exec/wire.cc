#include "backends/native/exec/wire.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

#include "base/errors.h"

namespace zlayer {
namespace {

constexpr size_t kMaxDatagram = 16 * 1024;
constexpr size_t kControlSize = CMSG_SPACE(sizeof(int) * kRunFds);

void TakeFds(msghdr* message, std::vector<UniqueFd>* fds) {
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      fds->emplace_back(fd);
    }
  }
}

}  // namespace

absl::Status SendDatagram(int socket, std::string_view data, const std::vector<int>& fds) {
  if (data.size() > kMaxDatagram || fds.size() > kRunFds) {
    return InvalidArgument("an order to the executor is too large");
  }
  alignas(cmsghdr) char control[kControlSize] = {};
  iovec part = {const_cast<char*>(data.data()), data.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
  }
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    return Unavailable(Message(ErrnoError("the executor takes no orders")));
  }
  return absl::OkStatus();
}

absl::StatusOr<Datagram> ReceiveDatagram(int socket) {
  Datagram result;
  result.data.resize(kMaxDatagram);
  alignas(cmsghdr) char control[kControlSize];
  iovec part = {result.data.data(), result.data.size()};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0 && errno == ECONNRESET) {
    received = 0;  // it went without reading what we sent
  }
  if (received < 0) {
    return ErrnoError("recvmsg");
  }
  TakeFds(&message, &result.fds);
  result.data.resize(static_cast<size_t>(received));
  result.end = received == 0;
  return result;
}

}  // namespace zlayer
