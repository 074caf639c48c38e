// Which stored credentials a request takes along.
#ifndef ZLAYER_CLIENT_CLI_REGISTRY_LOGINS_H_
#define ZLAYER_CLIENT_CLI_REGISTRY_LOGINS_H_

#include <absl/status/status.h>
#include <google/protobuf/repeated_field.h>

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "zlayer/v1/registry.pb.h"

namespace zlayer {

// Adds the credentials that are stored for the registries of these images. Short names are of
// docker.io. Errors are those of reading what is stored.
absl::Status AddLogins(const std::vector<std::string>& references, std::stop_token stop,
                       google::protobuf::RepeatedPtrField<v1::RegistryCredential>* credentials);

// The images that a Dockerfile may begin with or copy from, as far as they stand in it without
// variables; names of stages are among them.
std::vector<std::string> ImagesIn(std::string_view dockerfile);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_REGISTRY_LOGINS_H_
