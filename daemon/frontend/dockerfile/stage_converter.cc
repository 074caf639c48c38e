#include "daemon/frontend/dockerfile/stage_converter.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/copy_converter.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/run_converter.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/dockerfile/windows_path.h"
#include "daemon/frontend/dockerfile/words.h"

namespace zlayer {
namespace {

// As Go prints a list: [a b].
std::string Brackets(const std::vector<std::string>& words) { return "[" + Join(words, " ") + "]"; }

// As Go prints the configuration's structure with %q.
std::string HealthcheckText(const v1::Healthcheck& check) {
  std::string text = "HEALTHCHECK &{" + GoQuoteList({check.test().begin(), check.test().end()});
  for (const int64_t duration : {check.interval_ns(), check.timeout_ns(), check.start_period_ns(),
                                 check.start_interval_ns()}) {
    text += " " + GoQuote(FormatGoDuration(duration));
  }
  return text + " " + GoQuoteRune(check.retries()) + "}";
}

// Arguments of BuildKit's scanner, which no command sees.
bool IsScanArgument(std::string_view name) {
  return name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE";
}

}  // namespace

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

// One operation in the making; called with the instruction's body.
class StageConverter::Visitor {
 public:
  Visitor(const ConvertScope& scope, StageState* state, const Instruction& instruction)
      : file_(scope),
        state_(state),
        instruction_(instruction),
        scope_(scope, *state, instruction) {}

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
  absl::Status CheckVariables(size_t more) const;
  absl::StatusOr<std::string> Expand(std::string_view word) { return scope_.Expand(word); }
  absl::StatusOr<std::vector<NameValue>> ExpandPairs(const std::vector<NameValue>& pairs);
  v1::ConfigChange* AddChange() { return operation_.add_config(); }

  const ConvertScope& file_;
  StageState* state_;
  const Instruction& instruction_;
  InstructionScope scope_;
  v1::Operation operation_;
  std::string created_by_;
};

absl::Status StageConverter::Visitor::CheckVariables(size_t more) const {
  return state_->variables.entries().size() + more <= kMaxVariables
             ? absl::OkStatus()
             : InvalidArgument(fmt::format("the stage sets more than {} variables", kMaxVariables));
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

absl::Status StageConverter::Visitor::operator()(const ArgInstruction& arg) {
  created_by_ = "ARG";
  RETURN_IF_ERROR(CheckVariables(arg.arguments.size()));
  for (const ArgInstruction::Argument& argument : arg.arguments) {
    std::optional<std::string> value;
    bool inherited = false;
    if (const auto given = file_.build_args->find(argument.name);
        given != file_.build_args->end()) {
      value = given->second;
    } else if (argument.value) {
      ASSIGN_OR_RETURN(value, Expand(*argument.value));
    } else {
      value = file_.global_args->Get(argument.name);
      inherited = value.has_value();
    }
    file_.checks->CheckSecret(instruction_, argument.name);
    file_.outline->AddArgument(instruction_, argument.name, value, inherited);
    state_->arguments.Set(argument.name, "");
    created_by_ += " " + argument.name;
    if (value) {
      RETURN_IF_ERROR(scope_.Spend(value->size()));
      if (!IsScanArgument(argument.name)) {
        state_->variables.Set(argument.name, *value);
      }
      created_by_ += "=" + *value;
    }
  }
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const EnvInstruction& env) {
  RETURN_IF_ERROR(CheckVariables(env.variables.size()));
  ASSIGN_OR_RETURN(const std::vector<NameValue> variables, ExpandPairs(env.variables));
  for (const NameValue& variable : variables) {
    if (variable.name.find('=') != std::string::npos) {
      return InvalidArgument(
          fmt::format("{} cannot name a variable: it has a \"=\"", GoQuote(variable.name)));
    }
    file_.checks->CheckSecret(instruction_, variable.name);
    v1::Environment* change = AddChange()->mutable_set_env();
    change->set_key(state_->variables.NameOf(variable.name));
    change->set_value(variable.value);
  }
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const LabelInstruction& label) {
  if (label.labels.size() + state_->config.labels_size() > kMaxLabels) {
    return InvalidArgument(fmt::format("the stage has more than {} labels", kMaxLabels));
  }
  ASSIGN_OR_RETURN(const std::vector<NameValue> labels, ExpandPairs(label.labels));
  for (const NameValue& pair : labels) {
    v1::KeyValue* change = AddChange()->mutable_set_label();
    change->set_key(pair.name);
    change->set_value(pair.value);
  }
  return absl::OkStatus();
}

absl::Status StageConverter::Visitor::operator()(const RunInstruction& run) {
  return ConvertRun(run, &scope_, &operation_, &created_by_);
}

absl::Status StageConverter::Visitor::operator()(const CopyInstruction& copy) {
  return ConvertCopy(copy, &scope_, &operation_, &created_by_);
}

absl::Status StageConverter::Visitor::operator()(const WorkdirInstruction& workdir) {
  ASSIGN_OR_RETURN(const std::string word, Expand(workdir.path));
  ASSIGN_OR_RETURN(const std::string written, GraphPath(word, *state_));
  file_.checks->CheckWorkdir(instruction_, written);
  ASSIGN_OR_RETURN(const std::string path, AbsolutePath(word, *state_));
  const std::string configured = state_->is_windows ? DrivePath(path) : path;
  created_by_ = "WORKDIR " + configured;
  AddChange()->set_set_working_dir(configured);
  if (path != "/") {
    operation_.mutable_make_directory()->set_path(path);
    // Accounts of Windows are in no file that could be read here.
    operation_.mutable_make_directory()->set_owner(state_->is_windows ? "" : state_->config.user());
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
  const auto check_count = [&](size_t more) {
    return more + state_->config.exposed_ports_size() <= kMaxPorts
               ? absl::OkStatus()
               : InvalidArgument(fmt::format("the stage exposes more than {} ports", kMaxPorts));
  };
  RETURN_IF_ERROR(check_count(expose.ports.size()));
  for (const std::string& word : expose.ports) {
    ASSIGN_OR_RETURN(const ExpandedWord expanded, scope_.ExpandAll(word));
    for (const std::string& text : expanded.words) {
      file_.checks->CheckPort(instruction_, text);
      ASSIGN_OR_RETURN(const std::vector<std::string> some, ParsePorts(text));
      ports.insert(ports.end(), some.begin(), some.end());
      RETURN_IF_ERROR(check_count(ports.size()));
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
  scope_.checks->Check(instruction, *state_);
  scope_.outline->Add(instruction, *state_);
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
