// docker-credential-NAME: programs that keep credentials, with docker's protocol.
#ifndef ZLAYER_CLIENT_LIB_CREDENTIAL_HELPER_H_
#define ZLAYER_CLIENT_LIB_CREDENTIAL_HELPER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "proto/zlayer/v1/build.pb.h"

namespace zlayer {

// Each call runs the program, for 30 s at most. `server` is the registry as docker names it.
class CredentialHelper {
 public:
  // `name` is what stands in the configuration: letters, digits, '.', '_' and '-'.
  static absl::StatusOr<CredentialHelper> Make(std::string_view name);

  const std::string& program() const { return program_; }

  // Without the registry; nothing where the helper has none.
  absl::StatusOr<std::optional<v1::RegistryCredential>> Get(const std::string& server,
                                                            std::stop_token stop) const;
  absl::Status Store(const std::string& server, const v1::RegistryCredential& credential,
                     std::stop_token stop) const;
  // False where there were none.
  absl::StatusOr<bool> Erase(const std::string& server, std::stop_token stop) const;

 private:
  explicit CredentialHelper(std::string program) : program_(std::move(program)) {}

  // What it wrote; nothing where it says that it has no credentials.
  absl::StatusOr<std::optional<std::string>> Run(const char* verb, std::string_view input,
                                                 std::stop_token stop) const;

  std::string program_;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_CREDENTIAL_HELPER_H_
