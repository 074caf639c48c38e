#include "daemon/frontend/dockerfile/instruction_body.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/heredoc.h"
#include "daemon/frontend/dockerfile/instruction_flags.h"

namespace zlayer {
namespace {

constexpr size_t kMaxSources = 10'000;
constexpr int64_t kMillisecond = 1'000'000;

absl::Status NeedsOne(std::string_view keyword) {
  return InvalidArgument(fmt::format("{} needs at least one argument", keyword));
}

absl::Status NeedsExactlyOne(std::string_view keyword) {
  return InvalidArgument(fmt::format("{} needs exactly one argument", keyword));
}

absl::Status NoFlags(const DockerfileNode& node) {
  return InstructionFlags::Parse(node, {}).status();
}

CommandLine ToCommandLine(const DockerfileNode& node, size_t skip = 0) {
  CommandLine command;
  command.shell = !node.json;
  command.words.assign(
      node.arguments.begin() + static_cast<std::ptrdiff_t>(std::min(skip, node.arguments.size())),
      node.arguments.end());
  return command;
}

bool IsStageName(std::string_view name) {
  return !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") ==
             std::string_view::npos;
}

absl::StatusOr<InstructionBody> ParseFrom(const DockerfileNode& node) {
  ASSIGN_OR_RETURN(const InstructionFlags flags, InstructionFlags::Parse(node, {{"platform"}}));
  FromInstruction from;
  from.platform = flags.Get("platform");
  const std::vector<std::string>& words = node.arguments;
  if (words.size() == 3 && ToLower(words[1]) == "as") {
    from.name = ToLower(words[2]);
    if (!IsStageName(from.name)) {
      return InvalidArgument(fmt::format(
          "{} cannot name a stage: a name begins with a letter and has letters, digits, '-', '_' "
          "and '.'",
          GoQuote(words[2])));
    }
  } else if (words.size() != 1) {
    return InvalidArgument("FROM is written \"FROM IMAGE\" or \"FROM IMAGE AS NAME\"");
  }
  from.base = words[0];
  return from;
}

absl::StatusOr<InstructionBody> ParseArg(const DockerfileNode& node) {
  RETURN_IF_ERROR(NoFlags(node));
  if (node.arguments.empty()) {
    return NeedsOne("ARG");
  }
  ArgInstruction arg;
  for (const std::string& word : node.arguments) {
    const size_t equals = word.find('=');
    ArgInstruction::Argument argument{word.substr(0, equals), std::nullopt};
    if (argument.name.empty()) {
      return InvalidArgument("the name of an ARG is empty");
    }
    if (equals != std::string::npos) {
      argument.value = word.substr(equals + 1);
    }
    arg.arguments.push_back(std::move(argument));
  }
  return arg;
}

absl::StatusOr<std::vector<NameValue>> ParsePairs(const DockerfileNode& node, bool* legacy) {
  const std::string keyword = ToUpper(node.keyword);
  RETURN_IF_ERROR(NoFlags(node));
  if (node.arguments.size() < 3) {
    return NeedsOne(keyword);
  }
  std::vector<NameValue> pairs;
  for (size_t i = 0; i + 2 < node.arguments.size(); i += 3) {
    if (node.arguments[i].empty()) {
      return InvalidArgument(fmt::format("a name in {} is empty", keyword));
    }
    pairs.push_back({node.arguments[i], node.arguments[i + 1]});
    *legacy = node.arguments[i + 2].empty();
  }
  return pairs;
}

absl::StatusOr<InstructionBody> ParseEnv(const DockerfileNode& node) {
  EnvInstruction env;
  ASSIGN_OR_RETURN(env.variables, ParsePairs(node, &env.legacy));
  return env;
}

absl::StatusOr<InstructionBody> ParseLabel(const DockerfileNode& node) {
  LabelInstruction label;
  ASSIGN_OR_RETURN(label.labels, ParsePairs(node, &label.legacy));
  return label;
}

absl::StatusOr<InstructionBody> ParseRun(const DockerfileNode& node) {
  ASSIGN_OR_RETURN(const InstructionFlags flags,
                   InstructionFlags::Parse(node, {{"network"},
                                                  {"mount", FlagSpec::kRepeated},
                                                  {"security"},
                                                  {"device", FlagSpec::kRepeated}}));
  RunInstruction run;
  const std::string network = flags.Get("network");
  if (network == "none") {
    run.network = v1::NETWORK_NONE;
  } else if (network == "host") {
    run.network = v1::NETWORK_HOST;
  } else if (!network.empty() && network != "default") {
    return InvalidArgument(
        fmt::format("RUN --network is none, host or default, not {}", GoQuote(network)));
  }
  const std::string security = flags.Get("security");
  if (security == "insecure") {
    run.security = v1::SECURITY_INSECURE;
  } else if (!security.empty() && security != "sandbox") {
    return InvalidArgument(
        fmt::format("RUN --security is sandbox or insecure, not {}", GoQuote(security)));
  }
  for (const std::string& text : flags.GetAll("mount")) {
    ASSIGN_OR_RETURN(run.mounts.emplace_back(), SplitRunMount(text));
  }
  for (const std::string& text : flags.GetAll("device")) {
    ASSIGN_OR_RETURN(run.devices.emplace_back(), ParseRunDevice(text));
  }
  run.heredocs = node.heredocs;
  run.command = ToCommandLine(node);
  if (run.command.words.empty()) {
    return InvalidArgument("RUN needs a command");
  }
  return run;
}

// What stands before the destination: paths, and heredocs by their names.
absl::Status ReadSources(const DockerfileNode& node, CopyInstruction* copy) {
  const std::string keyword = ToUpper(node.keyword);
  if (node.arguments.size() < 2) {
    return InvalidArgument(fmt::format("{} needs a source and a destination", keyword));
  }
  if (node.arguments.size() - 1 > kMaxSources) {
    return InvalidArgument(fmt::format("{} has more than {} sources", keyword, kMaxSources));
  }
  copy->destination = node.arguments.back();
  if (IsHeredocWord(copy->destination)) {
    return InvalidArgument(fmt::format("the destination of {} cannot be a heredoc", keyword));
  }
  std::map<std::string_view, const DockerfileHeredoc*> heredocs;
  for (const DockerfileHeredoc& heredoc : node.heredocs) {
    heredocs[heredoc.name] = &heredoc;
  }
  for (auto word = node.arguments.begin(); word != node.arguments.end() - 1; ++word) {
    const absl::StatusOr<std::optional<DockerfileHeredoc>> parsed = ParseHeredocWord(*word);
    if (!parsed.ok() || !parsed->has_value()) {
      copy->sources.push_back(*word);
      continue;
    }
    const DockerfileHeredoc& announced = **parsed;
    const auto heredoc = heredocs.find(announced.name);
    if (heredoc == heredocs.end()) {
      return InvalidArgument(
          fmt::format("{} is a heredoc, which a JSON list cannot have", GoQuote(*word)));
    }
    copy->inline_sources.push_back(
        {announced.name, HeredocText(*heredoc->second, announced.chomp), announced.expand});
  }
  return absl::OkStatus();
}

absl::StatusOr<InstructionBody> ParseCopy(const DockerfileNode& node) {
  CopyInstruction copy;
  copy.add = node.keyword == "add";
  std::vector<FlagSpec> known = {
      {"chown"}, {"chmod"}, {"link", FlagSpec::kBoolean}, {"exclude", FlagSpec::kRepeated}};
  if (copy.add) {
    known.push_back({"checksum"});
    known.push_back({"keep-git-dir", FlagSpec::kBoolean});
    known.push_back({"unpack", FlagSpec::kBoolean});
  } else {
    known.push_back({"from"});
    known.push_back({"parents", FlagSpec::kBoolean});
  }
  ASSIGN_OR_RETURN(const InstructionFlags flags, InstructionFlags::Parse(node, known));
  copy.from = flags.Get("from");
  copy.owner = flags.Get("chown");
  copy.mode = flags.Get("chmod");
  copy.link = flags.GetBoolean("link").value_or(false);
  copy.parents = flags.GetBoolean("parents").value_or(false);
  copy.exclude = flags.GetAll("exclude");
  copy.checksum = flags.Get("checksum");
  copy.keep_git_directory = flags.GetBoolean("keep-git-dir");
  copy.unpack = flags.GetBoolean("unpack");
  RETURN_IF_ERROR(ReadSources(node, &copy));
  return copy;
}

// For instructions that are one text.
absl::StatusOr<std::string> OneText(const DockerfileNode& node) {
  RETURN_IF_ERROR(NoFlags(node));
  if (node.arguments.size() != 1) {
    return NeedsExactlyOne(ToUpper(node.keyword));
  }
  return node.arguments[0];
}

template <typename Body, std::string Body::*member>
absl::StatusOr<InstructionBody> ParseOneText(const DockerfileNode& node) {
  Body body;
  ASSIGN_OR_RETURN(body.*member, OneText(node));
  return body;
}

template <typename Body>
absl::StatusOr<InstructionBody> ParseCommand(const DockerfileNode& node) {
  RETURN_IF_ERROR(NoFlags(node));
  Body body;
  body.command = ToCommandLine(node);
  return body;
}

absl::StatusOr<InstructionBody> ParseExpose(const DockerfileNode& node) {
  RETURN_IF_ERROR(NoFlags(node));
  if (node.arguments.empty()) {
    return NeedsOne("EXPOSE");
  }
  ExposeInstruction expose{node.arguments};
  std::sort(expose.ports.begin(), expose.ports.end());
  return expose;
}

absl::StatusOr<InstructionBody> ParseVolume(const DockerfileNode& node) {
  RETURN_IF_ERROR(NoFlags(node));
  if (node.arguments.empty()) {
    return NeedsOne("VOLUME");
  }
  VolumeInstruction volume;
  for (const std::string& path : node.arguments) {
    volume.paths.emplace_back(TrimGoSpace(path));
    if (volume.paths.back().empty()) {
      return InvalidArgument("a path of VOLUME is empty");
    }
  }
  return volume;
}

absl::StatusOr<InstructionBody> ParseShell(const DockerfileNode& node) {
  RETURN_IF_ERROR(NoFlags(node));
  if (!node.json || node.arguments.empty()) {
    return InvalidArgument("SHELL needs a JSON list: SHELL [\"/bin/bash\", \"-c\"]");
  }
  return ShellInstruction{node.arguments};
}

absl::Status ReadDuration(const InstructionFlags& flags, std::string_view name,
                          const std::function<void(int64_t)>& set) {
  const std::string text = flags.Get(name);
  if (text.empty()) {
    return absl::OkStatus();
  }
  const std::optional<int64_t> duration = ParseGoDuration(text);
  if (!duration) {
    return InvalidArgument(
        fmt::format("--{} is a duration such as 30s or 1m30s, not {}", name, GoQuote(text)));
  }
  if (*duration != 0 && *duration < kMillisecond) {
    return InvalidArgument(fmt::format("--{} is at least 1ms, not {}", name, text));
  }
  set(*duration);
  return absl::OkStatus();
}

absl::Status ReadHealthcheckFlags(const DockerfileNode& node, v1::Healthcheck* check) {
  ASSIGN_OR_RETURN(
      const InstructionFlags flags,
      InstructionFlags::Parse(
          node, {{"interval"}, {"timeout"}, {"start-period"}, {"start-interval"}, {"retries"}}));
  RETURN_IF_ERROR(
      ReadDuration(flags, "interval", [check](int64_t d) { check->set_interval_ns(d); }));
  RETURN_IF_ERROR(ReadDuration(flags, "timeout", [check](int64_t d) { check->set_timeout_ns(d); }));
  RETURN_IF_ERROR(
      ReadDuration(flags, "start-period", [check](int64_t d) { check->set_start_period_ns(d); }));
  RETURN_IF_ERROR(ReadDuration(flags, "start-interval",
                               [check](int64_t d) { check->set_start_interval_ns(d); }));
  if (const std::string retries = flags.Get("retries"); !retries.empty()) {
    const std::optional<uint64_t> count = ParseUint(retries);
    if (!count || *count > 0x7fffffff) {
      return InvalidArgument(fmt::format("--retries is a number, not {}", GoQuote(retries)));
    }
    check->set_retries(static_cast<uint32_t>(*count));
  }
  return absl::OkStatus();
}

absl::StatusOr<InstructionBody> ParseHealthcheck(const DockerfileNode& node) {
  HealthcheckInstruction body;
  v1::Healthcheck* check = &body.healthcheck;
  RETURN_IF_ERROR(ReadHealthcheckFlags(node, check));
  const std::string type = node.arguments.empty() ? "" : ToUpper(node.arguments[0]);
  if (type == "NONE") {
    if (node.arguments.size() > 1) {
      return InvalidArgument("HEALTHCHECK NONE takes no arguments");
    }
    check->Clear();
    check->add_test("NONE");
    return body;
  }
  if (type != "CMD") {
    return InvalidArgument(
        "HEALTHCHECK is written \"HEALTHCHECK CMD ...\" or \"HEALTHCHECK NONE\"");
  }
  const CommandLine command = ToCommandLine(node, 1);
  if (command.words.empty()) {
    return InvalidArgument("HEALTHCHECK CMD needs a command");
  }
  check->add_test(command.shell ? "CMD-SHELL" : "CMD");
  for (const std::string& word : command.words) {
    check->add_test(word);
  }
  return body;
}

absl::StatusOr<InstructionBody> ParseOnBuild(const DockerfileNode& node) {
  RETURN_IF_ERROR(NoFlags(node));
  if (node.children.empty()) {
    return InvalidArgument("ONBUILD needs an instruction: ONBUILD RUN make");
  }
  if (!CanBeTrigger(node.children[0].keyword)) {
    return InvalidArgument(
        fmt::format("{} cannot stand behind ONBUILD", ToUpper(ToUtf8(node.children[0].keyword))));
  }
  OnBuildInstruction body;
  body.trigger = node.children[0].original;
  for (const DockerfileHeredoc& heredoc : node.heredocs) {
    body.trigger += "\n" + heredoc.content + heredoc.name;
  }
  return body;
}

using BodyParser = absl::StatusOr<InstructionBody> (*)(const DockerfileNode&);

const std::map<std::string_view, BodyParser>& BodyParsers() {
  static const auto* parsers = new std::map<std::string_view, BodyParser>{
      {"add", ParseCopy},
      {"arg", ParseArg},
      {"cmd", ParseCommand<CmdInstruction>},
      {"copy", ParseCopy},
      {"entrypoint", ParseCommand<EntrypointInstruction>},
      {"env", ParseEnv},
      {"expose", ParseExpose},
      {"from", ParseFrom},
      {"healthcheck", ParseHealthcheck},
      {"label", ParseLabel},
      {"maintainer", ParseOneText<MaintainerInstruction, &MaintainerInstruction::author>},
      {"onbuild", ParseOnBuild},
      {"run", ParseRun},
      {"shell", ParseShell},
      {"stopsignal", ParseOneText<StopsignalInstruction, &StopsignalInstruction::signal>},
      {"user", ParseOneText<UserInstruction, &UserInstruction::user>},
      {"volume", ParseVolume},
      {"workdir", ParseOneText<WorkdirInstruction, &WorkdirInstruction::path>},
  };
  return *parsers;
}

}  // namespace

bool CanBeTrigger(std::string_view keyword) {
  return keyword != "from" && keyword != "maintainer" && keyword != "onbuild";
}

absl::StatusOr<InstructionBody> ParseInstructionBody(const DockerfileNode& node) {
  const auto parser = BodyParsers().find(node.keyword);
  if (parser == BodyParsers().end()) {
    std::vector<std::string> names;
    for (const auto& entry : BodyParsers()) {
      names.push_back(ToUpper(entry.first));
    }
    return InvalidArgument(fmt::format("unknown instruction {}{}", GoQuote(node.keyword_text),
                                       Suggestion(node.keyword, names)));
  }
  return parser->second(node);
}

}  // namespace zlayer
