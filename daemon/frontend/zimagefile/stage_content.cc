#include "daemon/frontend/zimagefile/stage_content.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/zimagefile/dockerfile_words.h"
#include "daemon/frontend/zimagefile/healthcheck.h"
#include "daemon/frontend/zimagefile/step.h"

namespace zlayer {
namespace {

using Part = StageContent::Part;

bool HasVariable(std::string_view word) { return word.find('$') != std::string_view::npos; }

// Adds the part's one instruction, which stands where the key does.
void Add(const Field& value, Part part, std::string_view keyword, InstructionBody body,
         StageContent* content) {
  content->parts[part].push_back(MakeInstruction(keyword, std::move(body), value.source()));
}

absl::Status ReadArgs(const Field& value, StageContent* content) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, value.Entries());
  for (const Field& entry : entries) {
    ArgInstruction::Argument argument{entry.key(), std::nullopt};
    if (entry.key().empty() || entry.key().find_first_of("= \t\n") != std::string::npos) {
      return entry.ErrorAtKey("an argument's name is not empty, and has no \"=\" and no space");
    }
    if (!entry.IsNull()) {
      ASSIGN_OR_RETURN(argument.value, ReadWord(entry));
    }
    if (argument.value && argument.value->empty()) {
      argument.value.reset();
    }
    ArgInstruction arg;
    arg.arguments.push_back(std::move(argument));
    content->args.push_back(MakeInstruction("ARG", std::move(arg), entry.source()));
  }
  return absl::OkStatus();
}

absl::Status ReadEnv(const Field& value, StageContent* content) {
  EnvInstruction env;
  ASSIGN_OR_RETURN(env.variables, ReadVariablePairs(value));
  if (!env.variables.empty()) {
    Add(value, Part::kEnv, "ENV", std::move(env), content);
  }
  return absl::OkStatus();
}

absl::Status ReadWorkdir(const Field& value, StageContent* content) {
  WorkdirInstruction workdir;
  ASSIGN_OR_RETURN(workdir.path, ReadNonEmptyWord(value));
  Add(value, Part::kWorkdir, "WORKDIR", std::move(workdir), content);
  return absl::OkStatus();
}

absl::Status ReadSteps(const Field& value, StageContent* content) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.Items());
  ASSIGN_OR_RETURN(content->parts[Part::kSteps], ReadEach(items, ReadStep));
  return absl::OkStatus();
}

absl::Status ReadLabels(const Field& value, StageContent* content) {
  LabelInstruction label;
  ASSIGN_OR_RETURN(label.labels, ReadWordPairs(value));
  if (!label.labels.empty()) {
    Add(value, Part::kLabels, "LABEL", std::move(label), content);
  }
  return absl::OkStatus();
}

absl::Status ReadExpose(const Field& value, StageContent* content) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.ItemsOrOne());
  for (const Field& item : items) {
    ASSIGN_OR_RETURN(const std::string port, ReadNonEmptyWord(item));
    if (!HasVariable(port)) {
      RETURN_IF_ERROR(item.Located(ParsePorts(port).status()));
    }
    Add(item, Part::kExpose, "EXPOSE", ExposeInstruction{{port}}, content);
  }
  return absl::OkStatus();
}

absl::Status ReadUser(const Field& value, StageContent* content) {
  UserInstruction user;
  ASSIGN_OR_RETURN(user.user, ReadNonEmptyWord(value));
  Add(value, Part::kUser, "USER", std::move(user), content);
  return absl::OkStatus();
}

absl::Status ReadVolumes(const Field& value, StageContent* content) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.ItemsOrOne());
  VolumeInstruction volume;
  ASSIGN_OR_RETURN(volume.paths, ReadEach(items, ReadNonEmptyWord));
  if (!volume.paths.empty()) {
    Add(value, Part::kVolumes, "VOLUME", std::move(volume), content);
  }
  return absl::OkStatus();
}

absl::Status ReadHealthcheckPart(const Field& value, StageContent* content) {
  HealthcheckInstruction healthcheck;
  ASSIGN_OR_RETURN(healthcheck.healthcheck, ReadHealthcheck(value));
  Add(value, Part::kHealthcheck, "HEALTHCHECK", std::move(healthcheck), content);
  return absl::OkStatus();
}

absl::Status ReadStopsignal(const Field& value, StageContent* content) {
  StopsignalInstruction stopsignal;
  ASSIGN_OR_RETURN(stopsignal.signal, ReadNonEmptyWord(value));
  if (!HasVariable(stopsignal.signal) && !IsSignal(stopsignal.signal)) {
    return value.Error(fmt::format("{} is not a signal; one is a name (SIGTERM) or a number",
                                   GoQuote(CutUtf8(stopsignal.signal, 64))));
  }
  Add(value, Part::kStopsignal, "STOPSIGNAL", std::move(stopsignal), content);
  return absl::OkStatus();
}

absl::Status ReadEntrypoint(const Field& value, StageContent* content) {
  EntrypointInstruction entrypoint;
  ASSIGN_OR_RETURN(entrypoint.command, ReadCommand(value));
  Add(value, Part::kEntrypoint, "ENTRYPOINT", std::move(entrypoint), content);
  return absl::OkStatus();
}

absl::Status ReadCmd(const Field& value, StageContent* content) {
  CmdInstruction cmd;
  ASSIGN_OR_RETURN(cmd.command, ReadCommand(value));
  Add(value, Part::kCmd, "CMD", std::move(cmd), content);
  return absl::OkStatus();
}

}  // namespace

std::vector<Instruction> StageContent::Instructions() const {
  std::vector<Instruction> all;
  for (const std::vector<Instruction>& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

const KeyTable<StageContent>& StageContentKeys() {
  static const auto* keys = new KeyTable<StageContent>{
      {"args", ReadArgs},
      {"env", ReadEnv},
      {"workdir", ReadWorkdir},
      {"steps", ReadSteps},
      {"labels", ReadLabels},
      {"expose", ReadExpose},
      {"user", ReadUser},
      {"volumes", ReadVolumes},
      {"healthcheck", ReadHealthcheckPart},
      {"stopsignal", ReadStopsignal},
      {"entrypoint", ReadEntrypoint},
      {"cmd", ReadCmd},
  };
  return *keys;
}

}  // namespace zlayer
