#include "daemon/frontend/zimagefile/render.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"

namespace zlayer {
namespace {

constexpr size_t kMaxText = 1024;

bool HasSpace(std::string_view text) {
  return text.find_first_of(" \t\r\n") != std::string_view::npos;
}

// A word as it stands in a list of words.
std::string Quoted(std::string_view word) {
  if (!word.empty() && !HasSpace(word)) {
    return std::string(word);
  }
  std::string quoted = "\"";
  for (size_t i = 0; i < word.size(); ++i) {
    if (word.substr(i).starts_with("\\'")) {
      ++i;  // means nothing between double quotes
    }
    quoted += word[i];
  }
  return quoted + "\"";
}

std::string JsonList(const std::vector<std::string>& words) {
  return nlohmann::json(words).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string CommandText(const CommandLine& command) {
  return command.shell ? Join(command.words, " ") : JsonList(command.words);
}

std::string Pairs(const std::vector<NameValue>& pairs) {
  std::string text;
  for (const NameValue& pair : pairs) {
    text += fmt::format(" {}={}", Quoted(pair.name), Quoted(pair.value));
  }
  return text;
}

// Words where white space in one of them needs the form of a list.
std::string Paths(const std::vector<std::string>& paths) {
  return std::any_of(paths.begin(), paths.end(),
                     [](const std::string& path) { return path.empty() || HasSpace(path); })
             ? JsonList(paths)
             : Join(paths, " ");
}

std::string Flag(std::string_view name, std::string_view value) {
  return value.empty() ? "" : fmt::format(" --{}={}", name, value);
}

std::string Flag(std::string_view name, const std::optional<bool>& value) {
  return value ? fmt::format(" --{}={}", name, *value) : "";
}

std::string Duration(std::string_view name, int64_t nanoseconds) {
  return nanoseconds == 0 ? "" : Flag(name, FormatGoDuration(nanoseconds));
}

std::string RenderHealthcheck(const v1::Healthcheck& check) {
  if (check.test_size() == 0 || check.test(0) == "NONE") {
    return "HEALTHCHECK NONE";
  }
  CommandLine command{{check.test().begin() + 1, check.test().end()}, check.test(0) == "CMD-SHELL"};
  return "HEALTHCHECK" + Duration("interval", check.interval_ns()) +
         Duration("timeout", check.timeout_ns()) +
         Duration("start-period", check.start_period_ns()) +
         Duration("start-interval", check.start_interval_ns()) +
         (check.retries() == 0 ? "" : fmt::format(" --retries={}", check.retries())) + " CMD " +
         CommandText(command);
}

class Renderer {
 public:
  std::string operator()(const FromInstruction& from) const {
    return "FROM" + Flag("platform", from.platform) + " " + from.base +
           (from.name.empty() ? "" : " AS " + from.name);
  }
  std::string operator()(const ArgInstruction& arg) const {
    std::string text = "ARG";
    for (const ArgInstruction::Argument& argument : arg.arguments) {
      text += " " + argument.name + (argument.value ? "=" + Quoted(*argument.value) : "");
    }
    return text;
  }
  std::string operator()(const EnvInstruction& env) const { return "ENV" + Pairs(env.variables); }
  std::string operator()(const LabelInstruction& label) const {
    return "LABEL" + Pairs(label.labels);
  }
  std::string operator()(const RunInstruction& run) const;
  std::string operator()(const CopyInstruction& copy) const;
  std::string operator()(const WorkdirInstruction& workdir) const {
    return "WORKDIR " + workdir.path;
  }
  std::string operator()(const UserInstruction& user) const { return "USER " + user.user; }
  std::string operator()(const CmdInstruction& cmd) const {
    return "CMD " + CommandText(cmd.command);
  }
  std::string operator()(const EntrypointInstruction& entrypoint) const {
    return "ENTRYPOINT " + CommandText(entrypoint.command);
  }
  std::string operator()(const ExposeInstruction& expose) const {
    return "EXPOSE " + Join(expose.ports, " ");
  }
  std::string operator()(const VolumeInstruction& volume) const {
    return "VOLUME " + Paths(volume.paths);
  }
  std::string operator()(const StopsignalInstruction& stopsignal) const {
    return "STOPSIGNAL " + stopsignal.signal;
  }
  std::string operator()(const ShellInstruction& shell) const {
    return "SHELL " + JsonList(shell.words);
  }
  std::string operator()(const HealthcheckInstruction& healthcheck) const {
    return RenderHealthcheck(healthcheck.healthcheck);
  }
  std::string operator()(const MaintainerInstruction& maintainer) const {
    return "MAINTAINER " + maintainer.author;
  }
  std::string operator()(const OnBuildInstruction& on_build) const {
    return "ONBUILD " + on_build.trigger;
  }
};

std::string Renderer::operator()(const RunInstruction& run) const {
  std::string text = "RUN";
  for (const RunMountText& mount : run.mounts) {
    text += Flag("mount", mount.text);
  }
  text += run.network == v1::NETWORK_NONE ? " --network=none" : "";
  text += run.network == v1::NETWORK_HOST ? " --network=host" : "";
  text += run.security == v1::SECURITY_INSECURE ? " --security=insecure" : "";
  for (const RunDevice& device : run.devices) {
    text += Flag("device", device.name + (device.required ? ",required" : ""));
  }
  for (const NameValue& variable : run.environment) {
    text += fmt::format(" --env={}={}", variable.name, Quoted(variable.value));
  }
  text += " " + CommandText(run.command);
  for (const DockerfileHeredoc& heredoc : run.heredocs) {
    text += "\n" + heredoc.content + heredoc.name;
  }
  return text;
}

std::string Renderer::operator()(const CopyInstruction& copy) const {
  std::string text = copy.add ? "ADD" : "COPY";
  text += Flag("from", copy.from) + Flag("chown", copy.owner) + Flag("chmod", copy.mode);
  text += copy.link ? " --link" : "";
  text += copy.parents ? " --parents" : "";
  for (const std::string& pattern : copy.exclude) {
    text += Flag("exclude", pattern);
  }
  text += Flag("checksum", copy.checksum) + Flag("keep-git-dir", copy.keep_git_directory) +
          Flag("unpack", copy.unpack);
  std::vector<std::string> paths = copy.sources;
  for (const InlineSource& source : copy.inline_sources) {
    paths.push_back("<<" + source.name);
  }
  paths.push_back(copy.destination);
  text += " " + Paths(paths);
  for (const InlineSource& source : copy.inline_sources) {
    text += "\n" + source.content + source.name;
  }
  return text;
}

// Line breaks and other control characters become spaces.
std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < ' ' || c == 0x7f;
    if (!control || line.empty() || line.back() != ' ') {
      line += control ? ' ' : c;
    }
  }
  if (line.size() > kMaxText) {
    line = std::string(CutUtf8(line, kMaxText - 3)) + "...";
  }
  return ToUtf8(line);
}

}  // namespace

std::string RenderInstruction(const InstructionBody& body) { return std::visit(Renderer(), body); }

std::string DescribeInstruction(const InstructionBody& body) {
  const auto* run = std::get_if<RunInstruction>(&body);
  if (run == nullptr || run->heredocs.empty()) {
    return OneLine(RenderInstruction(body));
  }
  RunInstruction short_run = *run;
  const std::string first_line(Trim(Split(Trim(run->heredocs[0].content), '\n')[0]));
  short_run.heredocs.clear();
  return OneLine(fmt::format("{} ({}...)", RenderInstruction(short_run), first_line));
}

}  // namespace zlayer
