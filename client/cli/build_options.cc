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
      .Option({"-f,--file", "FILE",
               "Build file (default: the ZImagefile of CONTEXT, else its Dockerfile); - for stdin",
               Completes::kFile},
              &flags->file)
      .Option({"-z,--zimagefile", "FILE",
               "The same of a ZImagefile whose name does not say that it is one", Completes::kFile},
              &flags->zimagefile)
      .Option({"--set", "NAME=VALUE", "Value of ${NAME} in a ZImagefile; may be repeated"},
              &flags->sets)
      .Option(
          {"--runtime", "NAME",
           "Build with the runtime template of this name (see zlayer runtimes), or with \"auto\" "
           "the one that fits the files of CONTEXT",
           Completes::kRuntime},
          &flags->runtime)
      .Flag({"--runtime-auto", "", "", Completes::kNothing, /*hidden=*/true}, &flags->runtime_auto)
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
      .Flag({"--push", "", "Send the image to the registries that its tags name"}, &flags->push)
      .Flag({"--squash", "", "One layer for the whole image, its base included"}, &flags->squash)
      .Flag({"--no-layers", "", "One layer for all that the build makes, on those of its base"},
            &flags->no_layers)
      .Option({"--source-hash", "TEXT",
               "Build nothing where the first tag has an image of this hash; auto: a digest of all "
               "that the build reads"},
              &flags->source_hash);
}

void AddCommandOptions(Command& command, BuildFlags* flags) {
  command.Section("Its commands")
      .Choice({"--network", "", "What a RUN has that says nothing itself"}, &flags->network,
              {"default", "host"})
      .Option({"--retries", "N", "Try a RUN that failed again, up to N times, 3 seconds later"},
              &flags->retries, 0, 100)
      .Option(
          {"--default-cache-mount", "SPEC",
           "A cache for every RUN, as RUN --mount=type=cache has it: target=/root/.cache; may be "
           "repeated"},
          &flags->default_cache_mounts)
      .Option({"--backend", "NAME", "What runs the build (default: native)"}, &flags->backend);
}

OptionText Refused(const std::string& names, const std::string& placeholder = "") {
  return {names, placeholder, "", Completes::kNothing, /*hidden=*/true};
}

// Options of the API that the daemon of this version refuses, with a sentence that names them.
void AddRefusedOptions(Command& command, BuildFlags* flags) {
  command.Option(Refused("--cache-from", "SPEC"), &flags->cache_from)
      .Option(Refused("--cache-to", "SPEC"), &flags->cache_to);
}

}  // namespace

void AddBuildOptions(Command& command, BuildFlags* flags) {
  AddSourceOptions(command, flags);
  AddImageOptions(command, flags);
  AddCommandOptions(command, flags);
  AddRefusedOptions(command, flags);
}

std::optional<std::string> FromEnvironment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace zlayer
