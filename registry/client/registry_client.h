// Speaks to other registries: OCI distribution-spec 1.1 and the Docker registry API v2 before it.
//
// What arrives is checked against its digest while it streams. Answers that do not come for now
// (429 with its Retry-After, 5xx) and connections that break are tried again, with growing pauses;
// transfers go on where they broke off, where the registry can.
#ifndef ZLAYER_REGISTRY_CLIENT_REGISTRY_CLIENT_H_
#define ZLAYER_REGISTRY_CLIENT_REGISTRY_CLIENT_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"

namespace zlayer {

// Who asks. Lives in memory only; no message and no log holds it.
struct RegistryCredentials {
  std::string username;
  std::string password;
  // An identity token (OAuth2 refresh token), which the token server takes in place of a password.
  std::string token;

  bool empty() const { return username.empty() && password.empty() && token.empty(); }
};

// The credentials of a request by registry ("docker.io", "localhost:5000"), or by repository; they
// win over those of the configuration. Empty credentials: the configuration's, else anonymous.
using CredentialsOf =
    std::function<RegistryCredentials(const std::string& registry, const std::string& repository)>;

// A repository of a registry, and who asks for it.
struct RemoteRepository {
  std::string registry;    // as in Reference: "docker.io"
  std::string repository;  // "library/debian"
  CredentialsOf credentials;
};

struct RemoteManifest {
  Digest digest;
  std::string media_type;
  std::string bytes;  // verbatim
};

struct RemoteDescriptor {
  Digest digest;
  std::string media_type;
  uint64_t size = 0;
};

// Where a blob that is sent comes from. `read` writes the bytes from `offset` on to the sink; it is
// called again, with another offset, where an upload broke off. An error of either ends it.
struct BlobSource {
  Digest digest;
  uint64_t size = 0;
  std::function<absl::Status(uint64_t offset, const std::function<absl::Status(std::string_view)>&)>
      read;
};

// A blob that is made while it is sent. `make` writes its bytes to the sink and returns what they
// were, the same each time; it is called again where an upload broke off. An error of either ends
// it.
struct BlobStream {
  std::function<absl::StatusOr<RemoteDescriptor>(
      const std::function<absl::Status(std::string_view)>& sink, std::stop_token stop)>
      make;
  // Called with each piece that is sent: how many bytes of it went so far. May be empty.
  std::function<void(uint64_t done)> progress;
};

// Where a blob goes. `append` gets the bytes in order and each once. An error of it ends the
// download and is returned.
struct BlobSink {
  std::function<absl::Status(std::string_view data)> append;
  // What came is wrong: all of it comes anew, from another host. Where it is empty, that is an
  // error.
  std::function<absl::Status()> restart;
  // Called at most some times a second; may be empty.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

// How a blob is where it should be without being sent.
enum class BlobFound { kPresent, kMounted };

// Thread-safe. Requests to one registry share connections and tokens; at most as many transfers run
// at once as its settings allow, others wait.
//
// Errors name registry and repository, and say what the registry said. kNotFound: no such
// manifest, blob or repository; kUnauthenticated: credentials are missing or wrong;
// kPermissionDenied: they do not suffice; kUnavailable: no answer, or none that counts, each time;
// kDataLoss: the bytes do not have the digest or length that they should have; kInvalidArgument:
// the registry refuses what was sent; kCancelled soon after `stop` is requested;
// kFailedPrecondition: anything else. A push that ends early has its upload cancelled at the
// registry, for which that has some seconds.
class RegistryClient {
 public:
  virtual ~RegistryClient() = default;

  // `reference` is a tag or a digest ("sha256:..."). Any manifest or index; at most 4 MiB.
  virtual absl::StatusOr<RemoteManifest> GetManifest(const RemoteRepository& where,
                                                     const std::string& reference,
                                                     std::stop_token stop) = 0;
  // The same without the bytes. Nothing where the registry has none.
  virtual absl::StatusOr<std::optional<RemoteDescriptor>> HeadManifest(
      const RemoteRepository& where, const std::string& reference, std::stop_token stop) = 0;
  // kInvalidArgument says what the registry does not like, such as a blob that it lacks. One with a
  // subject comes into the index under the subject's referrers tag where the registry does not keep
  // by itself what refers to it.
  virtual absl::Status PutManifest(const RemoteRepository& where, const std::string& reference,
                                   std::string_view media_type, std::string_view bytes,
                                   std::stop_token stop) = 0;

  // Goes on after breaks with Range; a registry that cannot is read from the start again, but what
  // the sink has is not given to it twice.
  virtual absl::Status GetBlob(const RemoteRepository& where, const RemoteDescriptor& blob,
                               const BlobSink& sink, std::stop_token stop) = 0;
  // Whether the blob is in the repository, or the registry takes it there from one of `mount_from`
  // (repositories of the same registry, asked in this order): kPresent or kMounted. Nothing where
  // it has to be sent. It is the registry itself that is asked, not a mirror.
  virtual absl::StatusOr<std::optional<BlobFound>> FindBlob(
      const RemoteRepository& where, const Digest& digest,
      const std::vector<std::string>& mount_from, std::stop_token stop) = 0;
  // Sends it, whether the registry has it or not.
  virtual absl::Status PutBlob(const RemoteRepository& where, const BlobSource& blob,
                               std::stop_token stop) = 0;

  // Sends a blob whose digest nobody knows before all of it was made: in chunks, whether the
  // registry has it or not. After a break it goes on from a file that it is made into then.
  virtual absl::StatusOr<RemoteDescriptor> PutStream(const RemoteRepository& where,
                                                     const BlobStream& blob,
                                                     std::stop_token stop) = 0;

  // Whether requests to the registry itself go with credentials, their own or the configuration's.
  virtual bool HasLogin(const RemoteRepository& where) = 0;
  // Checks that the registry takes the credentials (`zlayer login`).
  virtual absl::Status CheckCredentials(const RemoteRepository& where, std::stop_token stop) = 0;
};

// How a registry is reached.
struct RegistrySettings {
  std::string registry;  // "registry.example:5000"; "docker.io" means registry-1.docker.io
  // Asked first for what is read, in this order ("https://mirror.example/prefix"; the path stands
  // in front of the repository's name); the registry itself comes last. A mirror that fails or
  // lacks something is passed over, and left alone for a minute after it did not answer. It is
  // reached by the settings and credentials of its own name, and gets none of this registry's.
  std::vector<std::string> mirrors;
  // Nothing is asked of it: every call is kPermissionDenied.
  bool blocked = false;
  // Certificates are not checked, and http is spoken where https is not.
  bool insecure = false;
  std::string ca_file;      // PEM; besides those of the system
  std::string client_cert;  // PEM
  std::string client_key;
  RegistryCredentials credentials;
  uint32_t max_transfers = 4;  // at once
};

struct RegistryClientOptions {
  std::vector<RegistrySettings> registries;
  // Registries on loopback (localhost, 127.0.0.0/8, [::1]) are tried with http as well.
  int attempts = 5;
  // Before the second attempt, milliseconds; doubles with each, with jitter.
  int64_t delay_ms = 500;
  int64_t max_delay_ms = 30'000;
  // A Retry-After counts up to this. Who asks for more is not asked again, and the error says when
  // it wants to be; nor is a mirror that asks for more than `max_delay_ms`.
  int64_t max_asked_ms = 300'000;
  int64_t connect_ms = 30'000;
  int64_t stall_ms = 60'000;  // the longest that nothing may move
  uint64_t jitter_seed = 0;   // 0: from the system
  std::string tmp_directory;  // for files without a name
  const Clock* clock = SystemClock();
};

std::unique_ptr<RegistryClient> MakeRegistryClient(RegistryClientOptions options);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_REGISTRY_CLIENT_H_
