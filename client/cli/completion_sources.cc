#include "client/cli/completion_sources.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <stop_token>
#include <utility>

#include "base/strings.h"
#include "client/cli/build_file.h"
#include "client/lib/connection.h"
#include "client/progress/text.h"
#include "daemon/frontend/dockerfile/lexer.h"
#include "daemon/frontend/template/template.h"
#include "daemon/frontend/zimagefile/zimagefile.h"

namespace zlayer {
namespace {

constexpr std::chrono::milliseconds kTimeout{500};
constexpr uint32_t kMaxCandidates = 1000;

std::vector<DockerfileNode> NodesOf(std::string_view dockerfile) {
  auto lexed = LexDockerfile(dockerfile, "Dockerfile");
  return lexed.ok() ? std::move(lexed->nodes) : std::vector<DockerfileNode>();
}

// The build file that is meant so far; an empty one where there is none.
BuildFile BuildFileOf(const WrittenCommand& written) {
  BuildFlags flags;
  flags.file = written.Last("--file");
  flags.zimagefile = written.Last("--zimagefile");
  flags.runtime = written.Last("--runtime");
  flags.context = written.arguments.empty() ? "." : written.arguments.front();
  if (flags.file == "-" || flags.zimagefile == "-") {
    return {};
  }
  auto file = ReadBuildFile(flags, std::stop_token());
  return file.ok() && file->has_value() ? **std::move(file) : BuildFile();
}

// Nothing where the text does not read.
DockerfileInstructions InstructionsOf(const BuildFile& zimagefile) {
  auto file = ParseZImagefile(zimagefile.content, zimagefile.name);
  return file.ok() && file->image ? *std::move(file->image) : DockerfileInstructions();
}

std::vector<Candidate> StagesOf(const DockerfileInstructions& file) {
  std::vector<Candidate> stages;
  for (const DockerfileStage& stage : file.stages) {
    if (!stage.base().name.empty()) {
      stages.push_back({stage.base().name, "FROM " + stage.base().base});
    }
  }
  return stages;
}

std::vector<Candidate> BuildArgsOf(const DockerfileInstructions& file) {
  std::map<std::string, std::string> defaults;
  const auto add = [&](const Instruction& instruction) {
    if (const auto* arg = std::get_if<ArgInstruction>(&instruction.body)) {
      for (const ArgInstruction::Argument& argument : arg->arguments) {
        defaults.emplace(argument.name, argument.value.value_or(""));
      }
    }
  };
  std::for_each(file.global_args.begin(), file.global_args.end(), add);
  for (const DockerfileStage& stage : file.stages) {
    std::for_each(stage.instructions.begin(), stage.instructions.end(), add);
  }
  std::vector<Candidate> arguments;
  for (const auto& [name, value] : defaults) {
    arguments.push_back({name + "=", value});
  }
  return arguments;
}

struct Daemon {
  std::unique_ptr<Connection> connection;
  std::string name_space;
};

Daemon DaemonOf(const WrittenCommand& written) {
  Daemon daemon;
  auto opened =
      Connection::Open(ChooseAddress(written.Last("--address"), std::getenv("ZLAYER_ADDRESS")));
  if (opened.ok()) {
    daemon.connection = *std::move(opened);
  }
  daemon.name_space = ChooseNamespace(written.Last("--namespace"), std::getenv("ZLAYER_NAMESPACE"));
  return daemon;
}

}  // namespace

std::vector<Candidate> StagesOf(std::string_view dockerfile) {
  std::vector<Candidate> stages;
  for (const DockerfileNode& node : NodesOf(dockerfile)) {
    if (node.keyword == "from" && node.arguments.size() == 3) {
      stages.push_back({ToLower(node.arguments[2]), "FROM " + node.arguments[0]});
    }
  }
  return stages;
}

std::vector<Candidate> BuildArgsOf(std::string_view dockerfile) {
  std::vector<Candidate> arguments;
  std::set<std::string> seen;
  for (const DockerfileNode& node : NodesOf(dockerfile)) {
    if (node.keyword != "arg") {
      continue;
    }
    for (const std::string& word : node.arguments) {
      size_t equals = word.find('=');
      std::string name = word.substr(0, equals);
      if (seen.insert(name).second) {
        arguments.push_back(
            {name + "=", equals == std::string::npos ? "" : word.substr(equals + 1)});
      }
    }
  }
  return arguments;
}

std::vector<Candidate> LiveCompletionSource::Images(const WrittenCommand& written) {
  std::vector<Candidate> images;
  Daemon daemon = DaemonOf(written);
  if (daemon.connection == nullptr) {
    return images;
  }
  v1::ListImagesRequest request;
  request.set_namespace_(daemon.name_space);
  request.set_page_size(kMaxCandidates);
  auto response =
      Call(*daemon.connection, daemon.connection->images(),
           &v1::ImageService::StubInterface::ListImages, request, kTimeout, std::stop_token());
  if (response.ok()) {
    for (const v1::Image& image : response->images()) {
      const std::string& name =
          image.familiar_name().empty() ? image.reference() : image.familiar_name();
      if (!name.empty()) {
        images.push_back(
            {name, FormatSize(image.size_bytes()) + ", " + FormatTimestamp(image.created())});
      }
    }
  }
  return images;
}

std::vector<Candidate> LiveCompletionSource::Builds(const WrittenCommand& written) {
  std::vector<Candidate> builds;
  Daemon daemon = DaemonOf(written);
  if (daemon.connection == nullptr) {
    return builds;
  }
  v1::ListBuildsRequest request;
  request.set_namespace_(daemon.name_space);
  auto response =
      Call(*daemon.connection, daemon.connection->builds(),
           &v1::BuildService::StubInterface::ListBuilds, request, kTimeout, std::stop_token());
  if (response.ok()) {
    for (const v1::BuildStatus& build : response->builds()) {
      builds.push_back(
          {build.id(), ToLower(v1::BuildState_Name(build.state())) + ", " + build.title()});
    }
  }
  return builds;
}

std::vector<Candidate> LiveCompletionSource::Stages(const WrittenCommand& written) {
  const BuildFile file = BuildFileOf(written);
  return file.is_zimagefile ? StagesOf(InstructionsOf(file)) : StagesOf(file.content);
}

std::vector<Candidate> LiveCompletionSource::BuildArgs(const WrittenCommand& written) {
  const BuildFile file = BuildFileOf(written);
  return file.is_zimagefile ? BuildArgsOf(InstructionsOf(file)) : BuildArgsOf(file.content);
}

std::vector<Candidate> LiveCompletionSource::Runtimes() {
  std::vector<Candidate> runtimes = {
      {std::string(kDetectRuntime), "The one that fits the files of the context"}};
  for (const RuntimeTemplate& runtime : AllTemplates()) {
    if (!runtime.dockerfile.empty()) {
      runtimes.push_back({std::string(runtime.name), std::string(runtime.description)});
    }
  }
  return runtimes;
}

}  // namespace zlayer
