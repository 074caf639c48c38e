// The system calls that a build step may make, as data: what Docker's default profile allows a
// process with our capabilities (see kCapabilities in spec.cc; none of CAP_SYS_ADMIN,
// CAP_SYS_PTRACE and the like). Names that a library or an architecture does not know are to be
// skipped.
#ifndef ZLAYER_BACKENDS_NATIVE_EXEC_SECCOMP_PROFILE_H_
#define ZLAYER_BACKENDS_NATIVE_EXEC_SECCOMP_PROFILE_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace zlayer {

struct SeccompRule {
  enum class Action { kAllow, kRefuse };  // kRefuse: EPERM
  // On the first argument. kMaskedEqual: (argument & value) == masked.
  enum class Test { kAlways, kEqual, kNotEqual, kMaskedEqual };

  Action action;
  std::span<const std::string_view> names;
  Test test = Test::kAlways;
  uint64_t value = 0;
  uint64_t masked = 0;
};

// No two rules apply to one call; where none does, the call fails with ENOSYS.
std::span<const SeccompRule> DefaultSeccompRules();

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_EXEC_SECCOMP_PROFILE_H_
