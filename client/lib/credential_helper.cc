#include "client/lib/credential_helper.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/lib/run_program.h"

namespace zlayer {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::seconds kLimit{30};
constexpr size_t kMaxOutput = size_t{1} << 20;
// The name of a user that says that the secret is an identity token.
constexpr std::string_view kTokenUser = "<token>";

}  // namespace

absl::StatusOr<CredentialHelper> CredentialHelper::Make(std::string_view name) {
  for (const char c : name) {
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' &&
        c != '_' && c != '-') {
      return InvalidArgument(
          "the name of a credential helper has letters, digits, '.', '_' and '-' only");
    }
  }
  if (name.empty()) {
    return InvalidArgument("the name of a credential helper is empty");
  }
  return CredentialHelper(fmt::format("docker-credential-{}", name));
}

absl::StatusOr<std::optional<v1::RegistryCredential>> CredentialHelper::Get(
    const std::string& server, std::stop_token stop) const {
  ASSIGN_OR_RETURN(const std::optional<std::string> output, Run("get", server, std::move(stop)));
  if (!output.has_value()) {
    return std::nullopt;
  }
  const Json answer = Json::parse(*output, nullptr, /*allow_exceptions=*/false);
  const auto member = [&answer](const char* name) -> const std::string* {
    const auto found = answer.is_object() ? answer.find(name) : answer.end();
    return found == answer.end() ? nullptr : found->get_ptr<const std::string*>();
  };
  const std::string* const user = member("Username");
  const std::string* const secret = member("Secret");
  if (user == nullptr || secret == nullptr) {
    return FailedPrecondition(
        fmt::format("{} get: its answer is not JSON with Username and Secret", program_));
  }
  v1::RegistryCredential credential;
  if (*user == kTokenUser) {
    credential.set_token(*secret);
  } else {
    credential.set_username(*user);
    credential.set_password(*secret);
  }
  return credential;
}

absl::Status CredentialHelper::Store(const std::string& server,
                                     const v1::RegistryCredential& credential,
                                     std::stop_token stop) const {
  const bool is_token = !credential.token().empty();
  const Json input = {
      {"ServerURL", server},
      {"Username", is_token ? std::string(kTokenUser) : credential.username()},
      {"Secret", is_token ? credential.token() : credential.password()},
  };
  const std::string text = input.dump(-1, ' ', false, Json::error_handler_t::replace);
  ASSIGN_OR_RETURN(const std::optional<std::string> output, Run("store", text, std::move(stop)));
  return output.has_value() ? absl::OkStatus()
                            : FailedPrecondition(fmt::format("{} store failed", program_));
}

absl::StatusOr<bool> CredentialHelper::Erase(const std::string& server,
                                             std::stop_token stop) const {
  ASSIGN_OR_RETURN(const std::optional<std::string> output, Run("erase", server, std::move(stop)));
  return output.has_value();
}

absl::StatusOr<std::optional<std::string>> CredentialHelper::Run(const char* verb,
                                                                 std::string_view input,
                                                                 std::stop_token stop) const {
  auto output = RunProgram({program_, verb}, input, kMaxOutput, kLimit, std::move(stop));
  if (absl::IsNotFound(output.status())) {
    return NotFound(fmt::format(
        "{} is not installed: install it, or take it out of credHelpers and credsStore", program_));
  }
  RETURN_IF_ERROR(output.status());
  if (output->exit_code == 0) {
    return std::move(output->text);
  }
  // Docker's helpers say so, in these words, on stdout. Nothing else of it is shown, as it might
  // hold a secret.
  if (ToLower(output->text).find("credentials not found") != std::string::npos) {
    return std::nullopt;
  }
  return FailedPrecondition(
      fmt::format("{} {} failed with exit code {}", program_, verb, output->exit_code));
}

}  // namespace zlayer
