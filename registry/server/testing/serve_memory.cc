// Serves a registry that is in memory, for trying clients by hand and for the conformance test:
//
//   serve_memory [--read-only] [--tls CERTIFICATE KEY] [--blob FILE]... ADDRESS...
//
// It prints "digest  file" of each blob, then "serving on ADDRESS" for each address, and ends with
// SIGTERM.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "registry/server/registry_server.h"
#include "registry/server/testing/memory_repositories.h"

namespace zlayer {
namespace {

absl::Status AddFile(const std::string& path, MemoryRepositories* repositories) {
  ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  const ContentFile file{.fd = std::make_shared<const UniqueFd>(std::move(fd)),
                         .size = static_cast<uint64_t>(size)};
  Sha256 sha;
  RETURN_IF_ERROR(ReadContent(file, Digest(), [&](std::string_view piece) {
    sha.Update(piece);
    return absl::OkStatus();
  }));
  const Digest digest = sha.Finish();
  repositories->AddFile(digest, file);
  fmt::print("{}  {}\n", digest.ToString(), path);
  return absl::OkStatus();
}

absl::Status Serve(int argc, char** argv) {
  MemoryRepositories repositories;
  RegistryServerOptions options{.writable = true};
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--read-only") {
      options.writable = false;
    } else if (word == "--blob" && i + 1 < argc) {
      RETURN_IF_ERROR(AddFile(argv[++i], &repositories));
    } else if (word == "--tls" && i + 2 < argc) {
      options.http.certificate_file = argv[++i];
      options.http.key_file = argv[++i];
    } else {
      options.http.addresses.emplace_back(word);
    }
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ASSIGN_OR_RETURN(const auto server, RegistryServer::Start(options, &repositories));
  for (const std::string& address : server->addresses()) {
    fmt::print("serving on {}\n", address);
  }
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  return absl::OkStatus();
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) {
  if (const absl::Status status = zlayer::Serve(argc, argv); !status.ok()) {
    fmt::print(stderr, "{}\n", zlayer::Message(status));
    return 1;
  }
  return 0;
}
