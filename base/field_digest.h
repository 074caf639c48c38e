// Digests a list of fields. Each is preceded by its length, so that no two lists are the same
// bytes.
#ifndef ZLAYER_BASE_FIELD_DIGEST_H_
#define ZLAYER_BASE_FIELD_DIGEST_H_

#include <cstdint>
#include <string_view>

#include "base/digest.h"

namespace zlayer {

// What it makes is stored (cache keys, source hashes): the bytes must stay. Not thread-safe.
class FieldDigest {
 public:
  void Add(std::string_view field) {
    Add(uint64_t{field.size()});
    sha256_.Update(field);
  }
  // Little endian, without a length.
  void Add(uint64_t number) {
    char bytes[sizeof(number)];
    for (size_t i = 0; i < sizeof(bytes); ++i) {
      bytes[i] = static_cast<char>(number >> (8 * i));
    }
    sha256_.Update({bytes, sizeof(bytes)});
  }
  // The number of them first.
  template <typename List>
  void AddStrings(const List& list) {
    Add(static_cast<uint64_t>(list.size()));
    for (const auto& field : list) {
      Add(std::string_view(field));
    }
  }
  // The same of keys and values, in the map's order.
  template <typename Map>
  void AddMap(const Map& map) {
    Add(static_cast<uint64_t>(map.size()));
    for (const auto& [key, value] : map) {
      Add(std::string_view(key));
      Add(std::string_view(value));
    }
  }
  Digest Finish() { return sha256_.Finish(); }

 private:
  Sha256 sha256_;
};

}  // namespace zlayer

#endif  // ZLAYER_BASE_FIELD_DIGEST_H_
