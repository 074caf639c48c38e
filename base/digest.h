// SHA-256 digests (OCI image-spec 1.1, descriptor.md#digests; sha256 is the one algorithm here).
#ifndef ZLAYER_BASE_DIGEST_H_
#define ZLAYER_BASE_DIGEST_H_

#include <absl/status/statusor.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace zlayer {

// A SHA-256 value. Ordered and hashable; the default one is all zeros and means "none".
class Digest {
 public:
  static constexpr size_t kSize = 32;

  Digest() = default;

  // From "sha256:" and 64 lower-case hex digits; kInvalidArgument for anything else.
  static absl::StatusOr<Digest> Parse(std::string_view text);
  // From 64 hex digits.
  static absl::StatusOr<Digest> FromHex(std::string_view hex);
  // From 32 bytes.
  static absl::StatusOr<Digest> FromBytes(std::string_view bytes);
  // Of `data`.
  static Digest Of(std::string_view data);

  std::string ToString() const;  // "sha256:<hex>"
  std::string Hex() const;
  std::string_view Bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  bool IsNone() const { return *this == Digest(); }

  auto operator<=>(const Digest&) const = default;

 private:
  friend class Sha256;
  std::array<uint8_t, kSize> bytes_{};
};

// Digests a stream. Not thread-safe; may be used again after Finish.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void Update(std::string_view data);
  // The digest of all since construction or the last Finish.
  Digest Finish();

 private:
  evp_md_ctx_st* context_;
};

}  // namespace zlayer

template <>
struct std::hash<zlayer::Digest> {
  size_t operator()(const zlayer::Digest& digest) const noexcept;
};

#endif  // ZLAYER_BASE_DIGEST_H_
