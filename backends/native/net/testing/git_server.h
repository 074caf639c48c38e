// Repositories that a test makes, served by "git daemon" and over HTTP on loopback.
#ifndef ZLAYER_BACKENDS_NATIVE_NET_TESTING_GIT_SERVER_H_
#define ZLAYER_BACKENDS_NATIVE_NET_TESTING_GIT_SERVER_H_

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace zlayer {

class GitServer {
 public:
  GitServer() {
    auto directory = ScopedDirectory::Make("/tmp", "zlayer-git-server-");
    EXPECT_TRUE(directory.ok());
    directory_ = *std::move(directory);
    port_ = FreePort();
    ServeGit();
  }
  ~GitServer() {
    Kill(pid_);
    Kill(http_pid_);
  }

  static bool Available() { return access("/usr/lib/git-core/git-daemon", X_OK) == 0; }

  // "git://127.0.0.1:PORT/name".
  std::string Url(const std::string& name) const {
    return "git://127.0.0.1:" + std::to_string(port_) + "/" + name;
  }

  // "http://127.0.0.1:PORT/cgi-bin/git/name", which git's own program for servers answers.
  std::string HttpUrl(const std::string& name) {
    if (http_pid_ < 0) {
      ServeHttp();
    }
    return "http://127.0.0.1:" + std::to_string(http_port_) + "/cgi-bin/git/" + name;
  }
  static bool HttpAvailable() {
    return access("/usr/lib/git-core/git-http-backend", X_OK) == 0 &&
           access("/usr/bin/python3", X_OK) == 0;
  }

  // Runs a script in the directory of the repository `name`, which is made where it is missing.
  // Authors, and times of commits (2022-01-01), are the same for all. Returns what it prints.
  std::string Script(const std::string& name, const std::string& script) {
    const std::string repository = directory_.path() + "/" + name;
    if (access(repository.c_str(), F_OK) != 0) {
      EXPECT_TRUE(MakeDirectories(repository).ok());
      Run("cd " + repository + " && git init -q -b main");
    }
    return Run("cd " + repository + " && set -e && " + script);
  }

  std::string directory() const { return directory_.path(); }

 private:
  std::string Run(const std::string& script) {
    const std::string command =
        "export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b "
        "GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='1640995200 +0000' "
        "GIT_COMMITTER_DATE='1640995200 +0000'; umask 022; " +
        script;
    FILE* shell = popen(command.c_str(), "r");
    std::string output;
    char buffer[4096];
    while (size_t size = fread(buffer, 1, sizeof(buffer), shell)) {
      output.append(buffer, size);
    }
    EXPECT_EQ(pclose(shell), 0) << script;
    return std::string(Trim(output));
  }

  static uint16_t FreePort() {
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
    getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  static sockaddr_in Loopback(uint16_t port) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }

  // A program, in a process group of its own, that listens on `port` once this returns.
  static pid_t Serve(const char* const* argv, uint16_t port) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    pid_t pid = -1;
    EXPECT_EQ(posix_spawnp(&pid, argv[0], nullptr, &attributes, const_cast<char**>(argv), environ),
              0);
    posix_spawnattr_destroy(&attributes);
    for (int i = 0; i < 1000; ++i) {
      const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in address = Loopback(port);
      if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
        return pid;
      }
      usleep(10'000);
    }
    ADD_FAILURE() << argv[0] << " does not listen";
    return pid;
  }

  // Below its parent there may be further processes.
  static void Kill(pid_t pid) {
    if (pid > 0) {
      kill(-pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  void ServeGit() {
    const std::string port = "--port=" + std::to_string(port_);
    const std::string base = "--base-path=" + directory_.path();
    const char* argv[] = {
        "git",          "-c",          "safe.directory=*",   "daemon", port.c_str(), base.c_str(),
        "--export-all", "--reuseaddr", "--listen=127.0.0.1", nullptr};
    pid_ = Serve(argv, port_);
  }

  // Python's server gives scripts to nobody, who must get at the repositories.
  void ServeHttp() {
    http_port_ = FreePort();
    Run("chmod 755 " + directory_.path() + " && cd " + directory_.path() +
        " && mkdir cgi-bin && cat > cgi-bin/git <<'EOF'\n"
        "#!/bin/sh\n"
        "export GIT_PROJECT_ROOT=" +
        directory_.path() +
        " GIT_HTTP_EXPORT_ALL=1\n"
        "cd / && exec git -c safe.directory='*' http-backend\n"
        "EOF\n"
        "chmod 755 cgi-bin/git");
    const std::string port = std::to_string(http_port_);
    const char* argv[] = {"/usr/bin/python3", "-m",        "http.server", "--cgi",
                          "--bind",           "127.0.0.1", "--directory", directory_.path().c_str(),
                          port.c_str(),       nullptr};
    http_pid_ = Serve(argv, http_port_);
  }

  ScopedDirectory directory_;
  pid_t pid_ = -1;
  uint16_t port_ = 0;
  pid_t http_pid_ = -1;
  uint16_t http_port_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_NET_TESTING_GIT_SERVER_H_
