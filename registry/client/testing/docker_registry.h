// Debian's docker-registry on loopback, over files in a directory that goes with it.
#ifndef ZLAYER_REGISTRY_CLIENT_TESTING_DOCKER_REGISTRY_H_
#define ZLAYER_REGISTRY_CLIENT_TESTING_DOCKER_REGISTRY_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/files.h"

namespace zlayer {

class DockerRegistry {
 public:
  enum class Tls { kNone, kServer, kBoth };

  static bool Available() {
    return access(kProgram, X_OK) == 0 && access("/usr/bin/openssl", X_OK) == 0;
  }

  // With a password it takes the user "me" with "s3cret" alone.
  explicit DockerRegistry(Tls tls = Tls::kNone, bool password = false) {
    auto directory = ScopedDirectory::Make("/tmp", "zlayer-docker-registry-");
    EXPECT_TRUE(directory.ok());
    directory_ = *std::move(directory);
    std::string config =
        "version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: " + Path("data") +
        "}}\nhttp:\n  addr: 127.0.0.1:0\n";
    if (tls != Tls::kNone) {
      MakeCertificates();
      config += "  tls:\n    certificate: " + Path("server.pem") +
                "\n    key: " + Path("server.key") + "\n";
    }
    if (tls == Tls::kBoth) {
      config += "    clientcas: [" + Path("ca.pem") + "]\n";
    }
    if (password) {
      // bcrypt of "s3cret".
      Write("htpasswd", "me:$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG\n");
      config += "auth: {htpasswd: {realm: test, path: " + Path("htpasswd") + "}}\n";
    }
    Write("config.yml", config);
    Start();
  }
  ~DockerRegistry() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }

  std::string Host() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  // "ca.pem", "client.pem", "client.key".
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

 private:
  static constexpr char kProgram[] = "/usr/bin/docker-registry";

  void Write(const std::string& name, const std::string& content) {
    EXPECT_TRUE(WriteFileAtomically(Path(name), content).ok());
  }

  void MakeCertificates() {
    Write("server.ext", "subjectAltName=IP:127.0.0.1\n");
    Write("client.ext", "extendedKeyUsage=clientAuth\n");
    std::string script = "cd " + directory_.path() +
                         " && k='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'"
                         " && openssl req -x509 $k -keyout ca.key -out ca.pem -days 2 -subj /CN=ca";
    for (const char* name : {"server", "client"}) {
      const std::string n = name;
      script += " && openssl req $k -keyout " + n + ".key -out " + n + ".csr -subj /CN=" + n +
                " && openssl x509 -req -in " + n +
                ".csr -CA ca.pem -CAkey ca.key -CAcreateserial"
                " -days 2 -extfile " +
                n + ".ext -out " + n + ".pem";
    }
    EXPECT_EQ(std::system(("( " + script + " ) >" + Path("openssl.log") + " 2>&1").c_str()), 0);
  }

  // The program chooses a port and says which.
  void Start() {
    auto log = OpenFile(Path("log"), O_CREAT | O_WRONLY | O_APPEND);
    ASSERT_TRUE(log.ok());
    const std::string config = Path("config.yml");
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(log->get(), 1);
      dup2(log->get(), 2);
      execl(kProgram, kProgram, "serve", config.c_str(), nullptr);
      _exit(127);
    }
    const std::string mark = "listening on 127.0.0.1:";
    for (int i = 0; i < 3000 && port_ == 0; ++i) {
      usleep(10'000);
      const std::string text = ReadFile(Path("log")).value_or("");
      if (const size_t at = text.find(mark); at != std::string::npos) {
        port_ = std::atoi(text.c_str() + at + mark.size());
      }
    }
    EXPECT_NE(port_, 0) << ReadFile(Path("log")).value_or("");
  }

  ScopedDirectory directory_;
  pid_t pid_ = -1;
  int port_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_TESTING_DOCKER_REGISTRY_H_
