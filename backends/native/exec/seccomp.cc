#include "backends/native/exec/seccomp.h"

#include <seccomp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "backends/native/exec/seccomp_profile.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace zlayer {
namespace {

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;
using Action = SeccompRule::Action;
using Test = SeccompRule::Test;

absl::Status FilterError(int result, std::string_view what) {
  return ErrnoError(-result, fmt::format("compiling the seccomp profile: {}", what));
}

std::vector<scmp_arg_cmp> Comparisons(const SeccompRule& rule) {
  switch (rule.test) {
    case Test::kAlways:
      return {};
    case Test::kEqual:
      return {{0, SCMP_CMP_EQ, rule.value, 0}};
    case Test::kNotEqual:
      return {{0, SCMP_CMP_NE, rule.value, 0}};
    case Test::kMaskedEqual:
      return {{0, SCMP_CMP_MASKED_EQ, rule.value, rule.masked}};
  }
  return {};
}

absl::Status AddRule(const Filter& filter, const SeccompRule& rule) {
  uint32_t action = rule.action == Action::kAllow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM);
  std::vector<scmp_arg_cmp> comparisons = Comparisons(rule);
  for (std::string_view name : rule.names) {
    int number = seccomp_syscall_resolve_name(std::string(name).c_str());
    if (number == __NR_SCMP_ERROR) {
      continue;
    }
    int result =
        seccomp_rule_add_array(filter.get(), action, number,
                               static_cast<unsigned>(comparisons.size()), comparisons.data());
    // EDOM: the call exists on none of the architectures.
    if (result < 0 && result != -EDOM) {
      return FilterError(result, name);
    }
  }
  return absl::OkStatus();
}

absl::Status AddArchitectures(const Filter& filter) {
  uint32_t second = 0;
  switch (seccomp_arch_native()) {
    case SCMP_ARCH_X86_64:
      second = SCMP_ARCH_X86;
      break;
    case SCMP_ARCH_AARCH64:
      second = SCMP_ARCH_ARM;
      break;
    default:
      return absl::OkStatus();
  }
  int result = seccomp_arch_add(filter.get(), second);
  return result < 0 ? FilterError(result, "the 32-bit architecture") : absl::OkStatus();
}

nlohmann::json ArgumentJson(const SeccompRule& rule) {
  nlohmann::json argument = {{"index", 0}, {"value", rule.value}};
  switch (rule.test) {
    case Test::kAlways:
      break;
    case Test::kEqual:
      argument["op"] = "SCMP_CMP_EQ";
      break;
    case Test::kNotEqual:
      argument["op"] = "SCMP_CMP_NE";
      break;
    case Test::kMaskedEqual:
      argument["op"] = "SCMP_CMP_MASKED_EQ";
      argument["valueTwo"] = rule.masked;
      break;
  }
  return argument;
}

std::vector<std::string> ArchitectureNames() {
  switch (seccomp_arch_native()) {
    case SCMP_ARCH_X86_64:
      return {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"};
    case SCMP_ARCH_AARCH64:
      return {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
    default:
      return {};  // the runtime takes its own
  }
}

}  // namespace

absl::StatusOr<std::string> CompileSeccompProfile() {
  Filter filter(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &seccomp_release);
  if (filter == nullptr) {
    return ResourceExhausted("compiling the seccomp profile: out of memory");
  }
  // A binary tree over the call numbers: a few comparisons for each call instead of hundreds.
  // Libraries before 2.5 lack it and make the list.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (int result = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
      result < 0) {
    return FilterError(result, "the action for other architectures");
  }
  RETURN_IF_ERROR(AddArchitectures(filter));
  for (const SeccompRule& rule : DefaultSeccompRules()) {
    RETURN_IF_ERROR(AddRule(filter, rule));
  }
  UniqueFd program(memfd_create("seccomp", MFD_CLOEXEC));
  if (!program.valid()) {
    return ErrnoError("memfd_create");
  }
  if (int result = seccomp_export_bpf(filter.get(), program.get()); result < 0) {
    return FilterError(result, "exporting");
  }
  if (lseek(program.get(), 0, SEEK_SET) < 0) {
    return ErrnoError("lseek");
  }
  return ReadAll(program.get());
}

nlohmann::json SeccompProfileJson() {
  nlohmann::json profile = {{"defaultAction", "SCMP_ACT_ERRNO"}, {"defaultErrnoRet", ENOSYS}};
  if (std::vector<std::string> architectures = ArchitectureNames(); !architectures.empty()) {
    profile["architectures"] = architectures;
  }
  for (const SeccompRule& rule : DefaultSeccompRules()) {
    nlohmann::json entry = {
        {"names", std::vector<std::string>(rule.names.begin(), rule.names.end())}};
    if (rule.action == Action::kAllow) {
      entry["action"] = "SCMP_ACT_ALLOW";
    } else {
      entry["action"] = "SCMP_ACT_ERRNO";
      entry["errnoRet"] = EPERM;
    }
    if (rule.test != Test::kAlways) {
      entry["args"] = nlohmann::json::array({ArgumentJson(rule)});
    }
    profile["syscalls"].push_back(std::move(entry));
  }
  return profile;
}

}  // namespace zlayer
