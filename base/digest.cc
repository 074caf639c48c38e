#include "base/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/errors.h"

namespace zlayer {
namespace {

constexpr std::string_view kPrefix = "sha256:";
constexpr std::string_view kHexDigits = "0123456789abcdef";

}  // namespace

absl::StatusOr<Digest> Digest::Parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) {
    return InvalidArgument("\"" + std::string(text.substr(0, 100)) +
                           "\" is no digest: want sha256: and 64 hex digits");
  }
  return FromHex(text.substr(kPrefix.size()));
}

absl::StatusOr<Digest> Digest::FromHex(std::string_view hex) {
  Digest digest;
  if (hex.size() != 2 * kSize) {
    return InvalidArgument("\"" + std::string(hex.substr(0, 100)) +
                           "\" is no digest: want 64 hex digits");
  }
  for (size_t i = 0; i < hex.size(); ++i) {
    size_t value = kHexDigits.find(hex[i]);
    if (value == std::string_view::npos) {
      return InvalidArgument("\"" + std::string(hex) + "\" is no digest: want 64 hex digits");
    }
    digest.bytes_[i / 2] = static_cast<uint8_t>(digest.bytes_[i / 2] << 4 | value);
  }
  return digest;
}

absl::StatusOr<Digest> Digest::FromBytes(std::string_view bytes) {
  if (bytes.size() != kSize) {
    return InvalidArgument("a SHA-256 value has 32 bytes, not " + std::to_string(bytes.size()));
  }
  Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.bytes_.begin());
  return digest;
}

Digest Digest::Of(std::string_view data) {
  Sha256 hasher;
  hasher.Update(data);
  return hasher.Finish();
}

std::string Digest::ToString() const { return std::string(kPrefix) + Hex(); }

std::string Digest::Hex() const {
  std::string hex;
  hex.reserve(2 * kSize);
  for (uint8_t byte : bytes_) {
    hex += kHexDigits[byte >> 4];
    hex += kHexDigits[byte & 15];
  }
  return hex;
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  // EVP_sha256() is looked up by name each time that it is used.
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_DigestInit_ex(context_, kSha256, nullptr);
}

Sha256::Sha256(Sha256&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}

Sha256& Sha256::operator=(Sha256&& other) noexcept {
  std::swap(context_, other.context_);
  return *this;
}

Sha256::~Sha256() { EVP_MD_CTX_free(context_); }

void Sha256::Update(std::string_view data) { EVP_DigestUpdate(context_, data.data(), data.size()); }

Digest Sha256::Finish() {
  Digest digest;
  EVP_DigestFinal_ex(context_, digest.bytes_.data(), nullptr);
  EVP_DigestInit_ex(context_, nullptr, nullptr);
  return digest;
}

}  // namespace zlayer

size_t std::hash<zlayer::Digest>::operator()(const zlayer::Digest& digest) const noexcept {
  size_t value;
  memcpy(&value, digest.Bytes().data(), sizeof(value));
  return value;
}
