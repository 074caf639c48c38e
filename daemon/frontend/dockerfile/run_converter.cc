#include "daemon/frontend/dockerfile/run_converter.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/heredoc.h"
#include "daemon/frontend/dockerfile/nanoserver_guard.h"
#include "daemon/frontend/dockerfile/run_mount.h"
#include "daemon/frontend/dockerfile/windows_base.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr std::string_view kProxyNames[] = {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
                                            "all_proxy"};
// Where BuildKit mounts a script.
constexpr std::string_view kScriptDirectory = "/dev/pipes/";
constexpr uint32_t kScriptMode = 0755;
constexpr size_t kMaxId = 256;

class RunConverter {
 public:
  RunConverter(const RunInstruction& instruction, InstructionScope* scope, v1::Run* run)
      : instruction_(instruction), scope_(*scope), run_(run) {}

  absl::Status Convert();
  std::string CreatedBy() const;

 private:
  absl::StatusOr<CommandLine> Command();
  absl::Status CheckNanoserver(const CommandLine& command) const;
  absl::Status ExpandEnvironment();
  absl::Status AddMount(const RunMountText& text);
  absl::Status SetFrom(const RunMount& mount, v1::Mount* out);
  absl::StatusOr<std::string> CacheId(const RunMount& mount) const;
  void AddScript(const DockerfileHeredoc& script);
  void AddProxies();

  const RunInstruction& instruction_;
  InstructionScope& scope_;
  v1::Run* run_;
  Variables own_;                         // of this command alone
  Variables with_own_;                    // the stage's and its own, where it has some
  const Variables* variables_ = nullptr;  // all that the command sees but proxies
};

absl::Status RunConverter::Convert() {
  if (!instruction_.devices.empty()) {
    return Unimplemented(fmt::format("RUN --device={} is not supported by this version",
                                     ToUtf8(instruction_.devices[0].name)));
  }
  for (const RunMountText& text : instruction_.mounts) {
    RETURN_IF_ERROR(AddMount(text));
  }
  const StageState& state = scope_.state();
  ASSIGN_OR_RETURN(const CommandLine command, Command());
  RETURN_IF_ERROR(CheckNanoserver(command));
  for (const std::string& word : state.WithShell(command)) {
    run_->add_argv(word);
  }
  RETURN_IF_ERROR(ExpandEnvironment());
  for (const NameValue& variable : variables_->entries()) {
    run_->add_env(variable.name + "=" + variable.value);
  }
  AddProxies();
  run_->set_user(state.config.user());
  ASSIGN_OR_RETURN(*run_->mutable_working_directory(), state.working_directory());
  run_->set_network(instruction_.network);
  run_->set_security(instruction_.security);
  run_->set_hostname(std::string(scope_.file().BuildArg("BUILDKIT_SANDBOX_HOSTNAME")));
  return absl::OkStatus();
}

absl::Status RunConverter::ExpandEnvironment() {
  variables_ = &scope_.state().variables;
  if (instruction_.environment.empty()) {
    return absl::OkStatus();
  }
  with_own_ = *variables_;
  variables_ = &with_own_;
  for (const NameValue& variable : instruction_.environment) {
    ASSIGN_OR_RETURN(const std::string name, scope_.Expand(variable.name));
    ASSIGN_OR_RETURN(const std::string value, scope_.Expand(variable.value));
    own_.Set(name, value);
    with_own_.Set(name, value);
  }
  return absl::OkStatus();
}

absl::StatusOr<CommandLine> RunConverter::Command() {
  CommandLine command = instruction_.command;
  const std::vector<DockerfileHeredoc>& heredocs = instruction_.heredocs;
  if (heredocs.empty()) {
    return command;
  }
  std::string& text = command.words[0];
  if (!IsHeredocWord(text)) {
    for (const DockerfileHeredoc& heredoc : heredocs) {
      text += "\n" + heredoc.content + heredoc.name;
    }
    return command;
  }
  if (heredocs[0].content.starts_with("#!")) {
    if (heredocs[0].name.find('/') != std::string::npos) {
      return InvalidArgument(fmt::format(
          "the heredoc {} is a script, so its name must be one of a file, without a \"/\"",
          GoQuote(heredocs[0].name)));
    }
    AddScript(heredocs[0]);
    text = std::string(kScriptDirectory) + heredocs[0].name;
  } else {
    text = HeredocText(heredocs[0], heredocs[0].chomp);
  }
  return command;
}

// A heredoc that is a script of its own is looked at as well as the command that runs it.
absl::Status RunConverter::CheckNanoserver(const CommandLine& command) const {
  if (!scope_.state().is_nanoserver) {
    return absl::OkStatus();
  }
  std::string tool =
      command.shell ? PackageManagerIn(command.words[0]) : PackageManagerIn(command.words);
  for (const DockerfileHeredoc& heredoc : instruction_.heredocs) {
    tool = tool.empty() ? PackageManagerIn(heredoc.content) : tool;
  }
  if (tool.empty()) {
    return absl::OkStatus();
  }
  v1::ErrorDetail detail;
  detail.set_reason("INVALID_INSTRUCTION");
  detail.set_subject(tool);
  return WithDetail(
      InvalidArgument(fmt::format("RUN calls {0}, which nanoserver images cannot run; base the "
                                  "stage on servercore instead "
                                  "(mcr.microsoft.com/windows/servercore:{1})",
                                  tool, kDefaultLtsc)),
      detail);
}

void RunConverter::AddScript(const DockerfileHeredoc& script) {
  v1::Mount* mount = run_->add_mounts();
  mount->set_type(v1::Mount::BIND);
  mount->set_target(std::string(kScriptDirectory) + script.name);
  mount->mutable_from()->set_inline_(HeredocText(script, script.chomp));
  mount->set_source(script.name);
  mount->set_read_only(true);
  mount->set_mode(kScriptMode);
}

absl::StatusOr<std::string> RunConverter::CacheId(const RunMount& mount) const {
  const std::string_view space = scope_.file().BuildArg("BUILDKIT_CACHE_MOUNT_NS");
  const std::string id = mount.id.empty() ? GoCleanPath(mount.target) : mount.id;
  std::string whole = space.empty() ? id : fmt::format("{}/{}", space, id);
  if (whole.size() > kMaxId) {
    return InvalidArgument(
        fmt::format("--mount: the id of a cache is longer than {} bytes; give it a shorter one "
                    "with id=...",
                    kMaxId));
  }
  return whole;
}

absl::Status RunConverter::SetFrom(const RunMount& mount, v1::Mount* out) {
  const bool cache = mount.type == v1::Mount::CACHE;
  if (mount.from.empty() || (cache && ToLower(mount.from) == "scratch")) {
    if (cache) {
      return absl::OkStatus();
    }
    *out->mutable_from() = scope_.file().context;
  } else {
    ASSIGN_OR_RETURN(*out->mutable_from(), scope_.file().resolve_from(mount.from));
  }
  out->set_source(GoCleanPath("/" + mount.source));
  return absl::OkStatus();
}

absl::Status RunConverter::AddMount(const RunMountText& text) {
  ASSIGN_OR_RETURN(const RunMount mount, ParseRunMount(text, [this](std::string_view word) {
                     return scope_.Expand(word);
                   }));
  if (mount.type == v1::Mount::SECRET || mount.type == v1::Mount::SSH) {
    const bool ssh = mount.type == v1::Mount::SSH;
    return Unimplemented(
        fmt::format("RUN --mount=type={} is not supported: this version takes no {} from clients",
                    ssh ? "ssh" : "secret", ssh ? "SSH agents" : "secrets"));
  }
  ASSIGN_OR_RETURN(const std::string target, AbsolutePath(mount.target, scope_.state()));
  if (target == "/") {
    return InvalidArgument("--mount: the target is \"/\", over which nothing can be mounted");
  }
  v1::Mount* out = run_->add_mounts();
  out->set_type(mount.type);
  out->set_target(target);
  out->set_read_only(mount.read_only);
  out->set_size_bytes(mount.size_bytes);
  if (mount.type != v1::Mount::TMPFS) {
    RETURN_IF_ERROR(SetFrom(mount, out));
  }
  if (mount.type == v1::Mount::CACHE) {
    ASSIGN_OR_RETURN(*out->mutable_id(), CacheId(mount));
    out->set_sharing(mount.sharing);
    out->set_uid(mount.uid.value_or(0));
    out->set_gid(mount.gid.value_or(0));
    if (mount.mode) {
      out->set_mode(*mount.mode);
    }
  }
  return absl::OkStatus();
}

// Programs read either spelling, so each sets both.
void RunConverter::AddProxies() {
  for (const std::string_view lower : kProxyNames) {
    const std::string names[] = {ToUpper(lower), std::string(lower)};
    const std::string* value = nullptr;
    for (const std::string& name : names) {
      if (const auto at = scope_.file().build_args->find(name);
          at != scope_.file().build_args->end()) {
        value = &at->second;
      }
    }
    for (const std::string& name : names) {
      if (value != nullptr && !variables_->Get(name)) {
        run_->add_proxy_env(name + "=" + *value);
      }
    }
  }
}

std::string RunConverter::CreatedBy() const {
  Variables shown = scope_.state().arguments;
  for (const NameValue& variable : own_.entries()) {
    shown.Set(variable.name, "");
  }
  std::string text = "RUN";
  if (!shown.entries().empty()) {
    text += fmt::format(" |{}", shown.entries().size());
  }
  for (const NameValue& variable : shown.entries()) {
    text += fmt::format(" {}={}", variable.name, variables_->Get(variable.name).value_or(""));
  }
  for (const std::string& word : run_->argv()) {
    text += " " + word;
  }
  return text;
}

}  // namespace

absl::Status ConvertRun(const RunInstruction& run, InstructionScope* scope,
                        v1::Operation* operation, std::string* created_by) {
  RunConverter converter(run, scope, operation->mutable_run());
  RETURN_IF_ERROR(converter.Convert());
  *created_by = converter.CreatedBy();
  return absl::OkStatus();
}

bool IsProxyArgument(std::string_view name) {
  const std::string lower = ToLower(name);
  return (name == lower || name == ToUpper(name)) &&
         std::find(std::begin(kProxyNames), std::end(kProxyNames), lower) != std::end(kProxyNames);
}

}  // namespace zlayer
