// The input is the value of WWW-Authenticate: what is read from it has no control characters, and is
// read again from what it is written as.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/client/challenge.h"
#include "tests/fuzz/check.h"

namespace {

std::string Written(const std::vector<zlayer::AuthChallenge>& challenges) {
  std::string text;
  for (const zlayer::AuthChallenge& challenge : challenges) {
    text += text.empty() ? challenge.scheme : ", " + challenge.scheme;
    std::string_view separator = " ";
    for (const auto& [name, value] : challenge.parameters) {
      text += separator;
      text += name + "=\"";
      for (const char c : value) {
        text += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
      }
      text += '"';
      separator = ", ";
    }
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto challenges = zlayer::ParseChallenges(text);
  if (!challenges.ok()) {
    return 0;
  }
  for (const zlayer::AuthChallenge& challenge : *challenges) {
    FUZZ_CHECK(!challenge.scheme.empty());
    for (const auto& [name, value] : challenge.parameters) {
      FUZZ_CHECK(!name.empty());
      for (const char c : value) {
        FUZZ_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
      }
    }
  }
  const std::string written = Written(*challenges);
  const auto again = zlayer::ParseChallenges(written);
  if (written.size() > 16384) {
    return 0;  // quotes made it too long
  }
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->size() == challenges->size());
  for (size_t i = 0; i < again->size(); ++i) {
    FUZZ_CHECK((*again)[i].scheme == (*challenges)[i].scheme);
    FUZZ_CHECK((*again)[i].parameters == (*challenges)[i].parameters);
  }
  return 0;
}
