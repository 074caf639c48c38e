#include "client/cli/build_options.h"

#include <cstdlib>

namespace zlayer {
namespace {

void AddSourceOptions(Command& command, BuildFlags* flags) {
  command.Section("What to build")
      .Argument(
          {"CONTEXT", "",
           "Directory with the files to build from; - for a tar on stdin; a git or HTTP(S) URL",
           Completes::kDirectory},
          &flags->context, /*required=*/false)
      .Option({"-f,--file", "FILE", "Dockerfile (default: CONTEXT/Dockerfile); - for stdin",
               Completes::kFile},
              &flags->file)
      .Option({"--build-context", "NAME=DIR",
               "Further context for --from=NAME; also NAME=docker-image://REF, NAME=URL",
               Completes::kNamedDirectory},
              &flags->build_contexts)
      .Option({"--target", "STAGE", "Stage to build (default: the last)", Completes::kStage},
              &flags->target)
      .Option({"--build-arg", "NAME=VALUE", "Value of an ARG; NAME alone takes the environment's",
               Completes::kBuildArg},
              &flags->build_args)
      .Option({"--platform", "OS/ARCH", "Platform of the image (default: the daemon's)"},
              &flags->platforms)
      .Choice({"--target-os", "",
               "System of the image, whatever else says it; without RUN for windows"},
              &flags->target_os, {"linux", "windows"})
      .Option({"--windows-ltsc", "LINE",
               "Line of Windows Server that images for Windows stand on (default: ltsc2022)"},
              &flags->windows_ltsc)
      .Option({"--allow", "ENTITLEMENT",
               "Grant what the daemon's configuration lets builds have: security.insecure"},
              &flags->entitlements)
      .Flag({"--no-cache", "", "Run every step again"}, &flags->no_cache)
      .Option({"--no-cache-filter", "STAGE", "Run every step of this stage again; may be repeated",
               Completes::kStage},
              &flags->no_cache_filters)
      .Choice(
          {"--pull", "",
           "When registries are asked for base images; where nothing is said, for those that are "
           "not here"},
          &flags->pull, {"newer", "always", "never"})
      .Option({"--default-registry", "HOST", "What short names mean, before docker.io"},
              &flags->default_registry)
      .Option({"--cache-ttl", "TIME", "Run steps again whose result is older: 30m, 12h, 7d"},
              &flags->cache_ttl);
}

void AddImageOptions(Command& command, BuildFlags* flags) {
  command.Section("The image")
      .Option({"-t,--tag", "REF", "Name of the image; may be repeated", Completes::kImage},
              &flags->tags)
      .Option({"--label", "KEY=VALUE", "Label of the image; may be repeated"}, &flags->labels)
      .Option({"--annotation", "KEY=VALUE", "Annotation of its manifest; may be repeated"},
              &flags->annotations)
      .Option({"-o,--output", "SPEC",
               "type=image,KEY=VALUE,...: rewrite-timestamp=true (no time in new layers is later "
               "than the build argument SOURCE_DATE_EPOCH), push=true, push-by-digest=true, "
               "compression=gzip|zstd|uncompressed, compression-level=N, force-compression=true"},
              &flags->outputs)
      .Flag({"--push", "", "Send the image to the registries that its tags name"}, &flags->push);
}

OptionText Refused(const std::string& names, const std::string& placeholder = "") {
  return {names, placeholder, "", Completes::kNothing, /*hidden=*/true};
}

// Options of the API that the daemon of this version refuses, with a sentence that names them.
void AddRefusedOptions(Command& command, BuildFlags* flags) {
  command.Choice(Refused("--network"), &flags->network, {"default", "host"})
      .Option(Refused("--cache-from", "SPEC"), &flags->cache_from)
      .Option(Refused("--cache-to", "SPEC"), &flags->cache_to)
      .Flag(Refused("--squash"), &flags->squash);
}

}  // namespace

void AddBuildOptions(Command& command, BuildFlags* flags) {
  AddSourceOptions(command, flags);
  AddImageOptions(command, flags);
  AddRefusedOptions(command, flags);
}

std::optional<std::string> FromEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace zlayer
