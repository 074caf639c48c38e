// OpenSSL 3 wants its own objects instead of SHA256_CTX, but those do not show their state.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/nested_sha256.h"

#include <openssl/sha.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>

namespace zlayer {
namespace {

#if defined(__x86_64__)

constexpr size_t kBlock = SHA256_CBLOCK;
constexpr unsigned kShaBit = 1u << 29;    // of leaf 7, EBX
constexpr unsigned kSse41Bit = 1u << 19;  // of leaf 1, ECX

bool HasShaInstructions() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSse41Bit) == 0) {
    return false;
  }
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & kShaBit) != 0;
}

alignas(16) constexpr uint32_t kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// The eight words of a state in the order of the instructions.
struct Lanes {
  __m128i abef;
  __m128i cdgh;
};

[[gnu::target("sha,sse4.1")]] inline Lanes Load(const SHA_LONG* words) {
  const __m128i* from = reinterpret_cast<const __m128i*>(words);
  const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(from), 0xb1);
  const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(from + 1), 0x1b);
  return {_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xf0)};
}

[[gnu::target("sha,sse4.1")]] inline void Store(const Lanes& lanes, SHA_LONG* words) {
  __m128i* to = reinterpret_cast<__m128i*>(words);
  const __m128i feba = _mm_shuffle_epi32(lanes.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(lanes.cdgh, 0xb1);
  _mm_storeu_si128(to, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(to + 1, _mm_alignr_epi8(dchg, feba, 8));
}

// FIPS 180-4, 6.2.2, four rounds at a time, of the same blocks into both states.
[[gnu::target("sha,sse4.1")]] void CompressBoth(const char* data, size_t blocks, SHA_LONG* first,
                                                SHA_LONG* second) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  Lanes one = Load(first);
  Lanes two = Load(second);
  for (; blocks > 0; --blocks, data += kBlock) {
    const Lanes before_one = one;
    const Lanes before_two = two;
    __m128i words[4];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      __m128i& word = words[i % 4];
      if (i < 4) {
        word = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data) + i),
                                big_endian);
      } else {
        const __m128i last = words[(i + 3) % 4];
        const __m128i seven_ago = _mm_alignr_epi8(last, words[(i + 2) % 4], 4);
        word = _mm_sha256msg1_epu32(word, words[(i + 1) % 4]);
        word = _mm_sha256msg2_epu32(_mm_add_epi32(word, seven_ago), last);
      }
      const __m128i low =
          _mm_add_epi32(word, _mm_load_si128(reinterpret_cast<const __m128i*>(kRounds) + i));
      const __m128i high = _mm_shuffle_epi32(low, 0x0e);
      one.cdgh = _mm_sha256rnds2_epu32(one.cdgh, one.abef, low);
      two.cdgh = _mm_sha256rnds2_epu32(two.cdgh, two.abef, low);
      one.abef = _mm_sha256rnds2_epu32(one.abef, one.cdgh, high);
      two.abef = _mm_sha256rnds2_epu32(two.abef, two.cdgh, high);
    }
    one = {_mm_add_epi32(one.abef, before_one.abef), _mm_add_epi32(one.cdgh, before_one.cdgh)};
    two = {_mm_add_epi32(two.abef, before_two.abef), _mm_add_epi32(two.cdgh, before_two.cdgh)};
  }
  Store(one, first);
  Store(two, second);
}

void Count(SHA256_CTX* state, size_t bytes) {
  const uint64_t bits = (uint64_t{state->Nh} << 32 | state->Nl) + 8 * uint64_t{bytes};
  state->Nl = static_cast<SHA_LONG>(bits);
  state->Nh = static_cast<SHA_LONG>(bits >> 32);
}

// Takes what can go into both at once off the front of `data`.
void UpdateBoth(SHA256_CTX* first, SHA256_CTX* second, std::string_view* data) {
  static const bool kCan = HasShaInstructions();
  const size_t blocks = data->size() / kBlock;
  if (!kCan || blocks == 0 || first->num != 0 || second->num != 0) {
    return;
  }
  CompressBoth(data->data(), blocks, first->h, second->h);
  Count(first, blocks * kBlock);
  Count(second, blocks * kBlock);
  data->remove_prefix(blocks * kBlock);
}

#else

void UpdateBoth(SHA256_CTX*, SHA256_CTX*, std::string_view*) {}

#endif

Digest Finished(SHA256_CTX* state) {
  std::array<char, Digest::kSize> bytes;
  SHA256_Final(reinterpret_cast<unsigned char*>(bytes.data()), state);
  return *Digest::FromBytes({bytes.data(), bytes.size()});
}

}  // namespace

struct NestedSha256::States {
  SHA256_CTX stream;
  SHA256_CTX part;
  uint64_t left = 0;  // of the part
};

NestedSha256::NestedSha256() : states_(std::make_unique<States>()) {
  SHA256_Init(&states_->stream);
}

NestedSha256::~NestedSha256() = default;

void NestedSha256::Update(std::string_view data) {
  if (states_->left > 0) {
    std::string_view part = data.substr(0, states_->left);
    data.remove_prefix(part.size());
    states_->left -= part.size();
    UpdateBoth(&states_->stream, &states_->part, &part);
    SHA256_Update(&states_->part, part.data(), part.size());
    SHA256_Update(&states_->stream, part.data(), part.size());
  }
  SHA256_Update(&states_->stream, data.data(), data.size());
}

void NestedSha256::Begin(uint64_t size) {
  SHA256_Init(&states_->part);
  states_->left = size;
}

Digest NestedSha256::End() {
  states_->left = 0;
  return Finished(&states_->part);
}

Digest NestedSha256::Finish() { return Finished(&states_->stream); }

}  // namespace zlayer
