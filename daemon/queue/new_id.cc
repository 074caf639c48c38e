#include "daemon/queue/new_id.h"

#include <charconv>

#include "base/files.h"

namespace zlayer {
namespace {

// Times in ids are milliseconds since 2024-01-01: eight digits of base 36 last until 2113.
constexpr int64_t kIdEpochNs = 1'704'067'200'000'000'000;
constexpr size_t kIdTimeDigits = 8;
constexpr size_t kIdRandomDigits = 6;

std::string Base36(uint64_t value, size_t digits) {
  std::string text(digits, '0');
  for (size_t i = digits; i > 0; --i, value /= 36) {
    text[i - 1] = "0123456789abcdefghijklmnopqrstuvwxyz"[value % 36];
  }
  return text;
}

}  // namespace

std::string NewId(int64_t now_ns) {
  uint64_t random = 0;
  std::string hex = RandomHex();
  std::from_chars(hex.data(), hex.data() + 15, random, 16);
  int64_t ms = now_ns > kIdEpochNs ? (now_ns - kIdEpochNs) / 1'000'000 : 0;
  return Base36(static_cast<uint64_t>(ms), kIdTimeDigits) + Base36(random, kIdRandomDigits);
}

}  // namespace zlayer
