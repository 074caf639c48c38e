#include "daemon/frontend/dockerfile/stage_converter.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "backends/graph/file_mode.h"
#include "base/errors.h"
#include "base/glob.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/dockerfile/words.h"

namespace zlayer {
namespace {

constexpr std::string_view kProxyNames[] = {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
                                            "all_proxy"};

// As Go prints a list: [a b].
std::string Brackets(const std::vector<std::string>& words) { return "[" + Join(words, " ") + "]"; }

bool IsUrl(std::string_view source) {
  return source.starts_with("http://") || source.starts_with("https://");
}

bool IsGit(std::string_view source) {
  return source.starts_with("git://") || source.starts_with("git@") ||
         source.starts_with("ssh://") || source.starts_with("github.com/");
}

std::string AbsolutePath(std::string_view path, const std::string& working_directory) {
  return path.starts_with('/') ? GoCleanPath(path)
                               : GoCleanPath(working_directory + "/" + std::string(path));
}

// A destination as the graph has it: absolute, clean, with a final '/' where it means a directory.
std::string AbsoluteDestination(std::string_view path, const std::string& working_directory) {
  const bool directory = path.empty() || path == "." || path.ends_with('/') || path.ends_with("/.");
  const std::string absolute = AbsolutePath(path, working_directory);
  return directory && absolute != "/" ? absolute + "/" : absolute;
}

std::string HealthcheckText(const v1::Healthcheck& check) {
  return fmt::format(
      "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
      Brackets({check.test().begin(), check.test().end()}), FormatGoDuration(check.interval_ns()),
      FormatGoDuration(check.timeout_ns()), FormatGoDuration(check.start_period_ns()),
      FormatGoDuration(check.start_interval_ns()), check.retries());
}

}  // namespace

void AddWarning(std::string_view rule, std::string_view message, const v1::SourceRange& source,
                std::vector<v1::Warning>* warnings) {
  if (warnings->size() == kMaxWarnings) {
    return;
  }
  v1::Warning& warning = warnings->emplace_back();
  warning.set_rule(std::string(rule));
  warning.set_message(ToUtf8(message));
  if (source.first_line() != 0) {
    *warning.mutable_source() = source;
  }
}

void Describe(const Instruction& instruction, std::string_view created_by,
              v1::Operation* operation) {
  *operation->mutable_source() = instruction.source;
  operation->set_text(instruction.text);
  operation->set_created_by(ToUtf8(created_by));
}

std::string FindInvalidUtf8(const google::protobuf::Message& message) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const auto& nested = field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                                  : reflection.GetMessage(message, field);
        if (std::string found = FindInvalidUtf8(nested); !found.empty()) {
          return found;
        }
      } else if (field->type() == FieldDescriptor::TYPE_STRING) {
        const std::string text = field->is_repeated()
                                     ? reflection.GetRepeatedString(message, field, i)
                                     : reflection.GetString(message, field);
        if (!IsUtf8(text)) {
          return field->name();
        }
      }
    }
  }
  return "";
}

bool IsProxyArgument(std::string_view name) {
  const std::string lower = ToLower(name);
  return (name == lower || name == ToUpper(name)) &&
         std::find(std::begin(kProxyNames), std::end(kProxyNames), lower) != std::end(kProxyNames);
}

// One operation in the making; called with the instruction's body.
class StageConverter::Visitor {
 public:
  Visitor(const ConvertScope& scope, StageState* state, const Instruction& instruction)
      : scope_(scope), state_(state), instruction_(instruction) {}

  absl::Status operator()(const FromInstruction&) { return Internal("FROM inside a stage"); }
  absl::Status operator()(const ArgInstruction& arg);
  absl::Status operator()(const EnvInstruction& env);
  absl::Status operator()(const LabelInstruction& label);
  absl::Status operator()(const RunInstruction& run);
  absl::Status operator()(const CopyInstruction& copy);
  absl::Status operator()(const WorkdirInstruction& workdir);
  absl::Status operator()(const UserInstruction& user);
  absl::Status operator()(const CmdInstruction& cmd);
  absl::Status operator()(const EntrypointInstruction& entrypoint);
  absl::Status operator()(const ExposeInstruction& expose);
  absl::Status operator()(const VolumeInstruction& volume);
  absl::Status operator()(const StopsignalInstruction& stopsignal);
  absl::Status operator()(const ShellInstruction& shell);
  absl::Status operator()(const HealthcheckInstruction& healthcheck);
  absl::Status operator()(const MaintainerInstruction& maintainer);
  absl::Status operator()(const OnBuildInstruction& on_build);

  v1::Operation Take() {
    Describe(instruction_, created_by_, &operation_);
    return std::move(operation_);
  }

 private:
  // Counts bytes that the instruction came to.
  absl::Status Spend(size_t bytes);
  absl::Status CheckVariables(size_t more) const;
  absl::StatusOr<ExpandedWord> ExpandAll(std::string_view word);
  absl::StatusOr<std::string> Expand(std::string_view word);
  absl::StatusOr<std::vector<NameValue>> ExpandPairs(const std::vector<NameValue>& pairs);
  absl::Status AddSource(const CopyInstruction& copy, const v1::Input& from,
                         const std::string& word);
  void AddProxies(v1::Run* run) const;
  void WarnLegacy(bool legacy);
  v1::ConfigChange* AddChange() { return operation_.add_config(); }

  const ConvertScope& scope_;
  StageState* state_;
  const Instruction& instruction_;
  v1::Operation operation_;
  std::string created_by_;
  size_t spent_ = 0;
};

absl::Status StageConverter::Visitor::Spend(size_t bytes) {
  spent_ += bytes;
  return spent_ <= kMaxStageBytes
             ? absl::OkStatus()
             : InvalidArgument(fmt::format("{} expands to more than 4 MiB", instruction_.keyword));
}

absl::Status StageConverter::Visitor::CheckVariables(size_t more) const {
  return state_->variables.entries().size() + more <= kMaxVariables
             ? absl::OkStatus()
             : InvalidArgument(fmt::format("the stage sets more than {} variables", kMaxVariables));
}

absl::StatusOr<ExpandedWord> StageConverter::Visitor::ExpandAll(std::string_view word) {
  WordOptions options;
  options.escape = scope_.escape;
  const auto lookup = [this](std::string_view name) { return state_->variables.Get(name); };
  ASSIGN_OR_RETURN(ExpandedWord expanded, ExpandWord(word, lookup, options));
  RETURN_IF_ERROR(Spend(expanded.text.size()));
  for (const std::string& name : expanded.unset) {
    if (!state_->arguments.contains(name)) {
      AddWarning("UndefinedVar", fmt::format("the variable ${} is not set", name),
                 instruction_.source, scope_.warnings);
    }
  }
  return expanded;
}

absl::StatusOr<std::string> StageConverter::Visitor::Expand(std::string_view word) {
  ASSIGN_OR_RETURN(ExpandedWord expanded, ExpandAll(word));
  return std::move(expanded.text);
}

// All of them see the state before the instruction.
absl::StatusOr<std::vector<NameValue>> StageConverter::Visitor::ExpandPairs(
    const std::vector<NameValue>& pairs) {
  std::vector<NameValue> expanded;
  created_by_ = instruction_.keyword;
  for (const NameValue& pair : pairs) {
    NameValue& target = expanded.emplace_back();
    ASSIGN_OR_RETURN(target.name, Expand(pair.name));
    ASSIGN_OR_RETURN(target.value, Expand(pair.value));
    if (target.name.empty()) {
      return InvalidArgument(fmt::format("the name {} is empty", GoQuote(pair.name)));
    }
    created_by_ += fmt::format(" {}={}", target.name, target.value);
  }
  return expanded;
}

void StageConverter::Visitor::WarnLegacy(bool legacy) {
  if (legacy) {
    AddWarning(
        "LegacyKeyValueFormat",
        fmt::format("{0} name value is an old form; write {0} name=value", instruction_.keyword),
        instruction_.source, scope_.warnings);
  }
}

absl::Status StageConverter::Visitor::operator()(const ArgInstruction& arg) {
  created_by_ = "ARG";
  RETURN_IF_ERROR(CheckVariables(arg.arguments.size()));
  for (const ArgInstruction::Argument& argument : arg.arguments) {
    std::optional<std::string> value;
    if (const auto given = scope_.build_args->find(argument.name);
        given != scope_.build_args->end()) {
      value = given->second;
    } else if (argument.value) {
      ASSIGN_OR_RETURN(value, Expand(*argument.value));
    } else {
      value = scope_.global_args->Get(argument.name);
    }
    state_->arguments.insert(argument.name);
    created_by_ += " " + argument.name;
    if (value) {
      RETURN_IF_ERROR(Spend(value->size()));
      state_->variables.Set(argument.name, *value);
      created_by_ += "=" + *value;
    }
  }
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const EnvInstruction& env) {
  WarnLegacy(env.legacy);
  RETURN_IF_ERROR(CheckVariables(env.variables.size()));
  ASSIGN_OR_RETURN(const std::vector<NameValue> variables, ExpandPairs(env.variables));
  for (const NameValue& variable : variables) {
    if (variable.name.find('=') != std::string::npos) {
      return InvalidArgument(
          fmt::format("{} cannot name a variable: it has a \"=\"", GoQuote(variable.name)));
    }
    v1::Environment* change = AddChange()->mutable_set_env();
    change->set_key(variable.name);
    change->set_value(variable.value);
  }
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const LabelInstruction& label) {
  WarnLegacy(label.legacy);
  ASSIGN_OR_RETURN(const std::vector<NameValue> labels, ExpandPairs(label.labels));
  for (const NameValue& pair : labels) {
    v1::KeyValue* change = AddChange()->mutable_set_label();
    change->set_key(pair.name);
    change->set_value(pair.value);
  }
  return absl::OkStatus();
}

// Programs read either spelling, so each sets both.
void StageConverter::Visitor::AddProxies(v1::Run* run) const {
  for (const std::string_view lower : kProxyNames) {
    const std::string names[] = {ToUpper(lower), std::string(lower)};
    const std::string* value = nullptr;
    for (const std::string& name : names) {
      if (const auto at = scope_.build_args->find(name); at != scope_.build_args->end()) {
        value = &at->second;
      }
    }
    for (const std::string& name : names) {
      if (value != nullptr && !state_->variables.Get(name)) {
        run->add_env(name + "=" + *value);
      }
    }
  }
}

absl::Status StageConverter::Visitor::operator()(const RunInstruction& instruction) {
  if (!instruction.heredocs.empty() || !instruction.mounts.empty() ||
      !instruction.devices.empty() || instruction.security != v1::SECURITY_SANDBOX) {
    return Unimplemented("RUN with heredocs, --mount, --device or --security is not supported yet");
  }
  v1::Run* run = operation_.mutable_run();
  const std::vector<std::string> argv = state_->WithShell(instruction.command);
  for (const std::string& word : argv) {
    run->add_argv(word);
  }
  for (const NameValue& variable : state_->variables.entries()) {
    run->add_env(variable.name + "=" + variable.value);
  }
  AddProxies(run);
  run->set_user(state_->config.user());
  run->set_working_directory(state_->working_directory());
  run->set_network(instruction.network);
  created_by_ = "RUN " + Join(argv, " ");
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::AddSource(const CopyInstruction& copy, const v1::Input& from,
                                                const std::string& word) {
  ASSIGN_OR_RETURN(const std::string path, Expand(word));
  if (copy.add && (IsUrl(path) || IsGit(path))) {
    return Unimplemented(
        fmt::format("ADD of the URL {} is not supported by this version", GoQuote(path)));
  }
  if (IsUrl(path)) {
    return InvalidArgument(fmt::format("COPY takes files, not the URL {}", GoQuote(path)));
  }
  RETURN_IF_ERROR(CheckGlob(path));
  v1::Copy::Source* source = operation_.mutable_copy()->add_sources();
  *source->mutable_from() = from;
  source->set_path(path);
  created_by_ += " " + path;
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const CopyInstruction& instruction) {
  if (!instruction.inline_sources.empty() || instruction.link || instruction.parents ||
      !instruction.exclude.empty() || !instruction.checksum.empty() || instruction.unpack ||
      instruction.keep_git_directory) {
    return Unimplemented("this flag, or a heredoc, of COPY and ADD is not supported yet");
  }
  v1::Input from;
  from.set_context("");
  if (!instruction.from.empty()) {
    ASSIGN_OR_RETURN(from, scope_.resolve_from(instruction.from));
  }
  v1::Copy* copy = operation_.mutable_copy();
  ASSIGN_OR_RETURN(const std::string owner, Expand(instruction.owner));
  copy->set_owner(owner);
  ASSIGN_OR_RETURN(const std::string mode, Expand(instruction.mode));
  if (!mode.empty() && !ChangeMode(mode, 0, false)) {
    return InvalidArgument(
        fmt::format("--chmod is octal (0755) or symbolic (u=rwX,go=rX), not {}", GoQuote(mode)));
  }
  copy->set_mode(mode);
  copy->set_unpack(instruction.add ? v1::Copy::LOCAL_ARCHIVES : v1::Copy::NEVER);
  created_by_ = instruction_.keyword + (owner.empty() ? "" : " --chown=" + owner) +
                (mode.empty() ? "" : " --chmod=" + mode);
  for (const std::string& source : instruction.sources) {
    RETURN_IF_ERROR(AddSource(instruction, from, source));
  }
  ASSIGN_OR_RETURN(const std::string destination, Expand(instruction.destination));
  copy->set_destination(AbsoluteDestination(destination, state_->working_directory()));
  created_by_ += " " + destination;
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const WorkdirInstruction& workdir) {
  ASSIGN_OR_RETURN(const std::string word, Expand(workdir.path));
  const std::string path = AbsolutePath(word, state_->working_directory());
  created_by_ = "WORKDIR " + path;
  AddChange()->set_set_working_dir(path);
  if (path != "/") {
    operation_.mutable_make_directory()->set_path(path);
    operation_.mutable_make_directory()->set_owner(state_->config.user());
  }
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const UserInstruction& user) {
  ASSIGN_OR_RETURN(const std::string name, Expand(user.user));
  created_by_ = "USER " + name;
  AddChange()->set_set_user(name);
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const CmdInstruction& cmd) {
  const std::vector<std::string> words = state_->WithShell(cmd.command);
  created_by_ = "CMD " + GoQuoteList(words);
  v1::Words* change = AddChange()->mutable_set_cmd();
  change->mutable_words()->Assign(words.begin(), words.end());
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const EntrypointInstruction& entrypoint) {
  const std::vector<std::string> words = state_->WithShell(entrypoint.command);
  created_by_ = "ENTRYPOINT " + GoQuoteList(words);
  v1::Words* change = AddChange()->mutable_set_entrypoint();
  change->mutable_words()->Assign(words.begin(), words.end());
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const ExposeInstruction& expose) {
  std::vector<std::string> ports;
  for (const std::string& word : expose.ports) {
    ASSIGN_OR_RETURN(const ExpandedWord expanded, ExpandAll(word));
    for (const std::string& text : expanded.words) {
      ASSIGN_OR_RETURN(const std::vector<std::string> some, ParsePorts(text));
      ports.insert(ports.end(), some.begin(), some.end());
      if (ports.size() + state_->config.exposed_ports_size() > kMaxPorts) {
        return InvalidArgument(fmt::format("the stage exposes more than {} ports", kMaxPorts));
      }
    }
  }
  created_by_ = "EXPOSE " + Brackets(ports);
  std::sort(ports.begin(), ports.end());
  ports.erase(std::unique(ports.begin(), ports.end()), ports.end());
  for (const std::string& port : ports) {
    AddChange()->set_add_exposed_port(port);
  }
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const VolumeInstruction& volume) {
  std::vector<std::string> paths;
  if (volume.paths.size() + state_->config.volumes_size() > kMaxVolumes) {
    return InvalidArgument(fmt::format("the stage has more than {} volumes", kMaxVolumes));
  }
  for (const std::string& word : volume.paths) {
    ASSIGN_OR_RETURN(const std::string path, Expand(word));
    if (path.empty()) {
      return InvalidArgument(fmt::format("the path {} of VOLUME is empty", GoQuote(word)));
    }
    AddChange()->set_add_volume(path);
    paths.push_back(path);
  }
  created_by_ = "VOLUME " + Brackets(paths);
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const StopsignalInstruction& stopsignal) {
  ASSIGN_OR_RETURN(const std::string signal, Expand(stopsignal.signal));
  if (!IsSignal(signal)) {
    return InvalidArgument(
        fmt::format("{} is not a signal; STOPSIGNAL takes a name (SIGTERM) or a "
                    "number",
                    GoQuote(signal)));
  }
  created_by_ = "STOPSIGNAL " + signal;
  AddChange()->set_set_stop_signal(signal);
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const ShellInstruction& shell) {
  created_by_ = "SHELL " + Brackets(shell.words);
  v1::Words* change = AddChange()->mutable_set_shell();
  change->mutable_words()->Assign(shell.words.begin(), shell.words.end());
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const HealthcheckInstruction& healthcheck) {
  created_by_ = HealthcheckText(healthcheck.healthcheck);
  *AddChange()->mutable_set_healthcheck() = healthcheck.healthcheck;
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const MaintainerInstruction& maintainer) {
  AddWarning("MaintainerDeprecated",
             "MAINTAINER is deprecated; write LABEL org.opencontainers.image.authors=...",
             instruction_.source, scope_.warnings);
  created_by_ = "MAINTAINER " + maintainer.author;
  AddChange()->set_set_author(maintainer.author);
  return absl::OkStatus();
}

// BuildKit writes no history for it.
absl::Status StageConverter::Visitor::operator()(const OnBuildInstruction& on_build) {
  AddChange()->set_add_on_build(on_build.trigger);
  return absl::OkStatus();
}

absl::StatusOr<v1::Operation> StageConverter::Convert(const Instruction& instruction) {
  Visitor visitor(scope_, state_, instruction);
  RETURN_IF_ERROR(std::visit(visitor, instruction.body));
  v1::Operation operation = visitor.Take();
  if (const std::string field = FindInvalidUtf8(operation); !field.empty()) {
    return InvalidArgument(
        fmt::format("{} has bytes that are not UTF-8, which an image's configuration cannot hold",
                    instruction.keyword));
  }
  for (const v1::ConfigChange& change : operation.config()) {
    state_->Apply(change);
  }
  state_->bytes += operation.ByteSizeLong() - operation.run().ByteSizeLong();
  return operation;
}

}  // namespace zlayer
