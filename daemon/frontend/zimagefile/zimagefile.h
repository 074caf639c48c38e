// ZImagefile text to typed instructions, those of instructions.h, so that all behind the parser is
// the Dockerfile frontend's. README.md in this folder is the language's manual. Pure: no I/O.
//
// Words of the instructions have the escape character '\\'; what the file calls a value comes out
// of them as it is, but for variables.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_ZIMAGEFILE_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_ZIMAGEFILE_H_

#include <absl/status/statusor.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/dockerfile/instructions.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// `build:`, the image of another directory as a base. Texts are as written, nothing is looked up.
struct NestedBuild {
  std::string directory;        // below the build context; empty for the context itself
  std::string file;             // the build file, in that directory; empty: look for one
  std::vector<NameValue> args;  // build arguments, in the file's order
  v1::SourceRange source;
};

// The base text by which the stage `name` (empty: the only, unnamed one) means its `build:`. It is
// no image's name: ParseZImagefile lets no `base:` be like it.
std::string NestedBuildBase(std::string_view name);

// `runtime:`, a template, with what the file's other keys add to it.
struct RuntimeUse {
  std::string name;                       // as written; whether there is one is not known here
  std::vector<Instruction> args;          // of each the body is an ArgInstruction of one argument
  std::vector<Instruction> instructions;  // for the end of the template's last stage
  v1::SourceRange source;                 // of the name
};

// `wasm:`, or a runtime that is a shorthand for it.
struct WasmSection {
  std::string target = "preview2";  // or "preview1"
  bool optimize = false;
  std::string opt_level = "Oz";  // O, Os, Oz, O2 or O3
  std::string language;          // empty: find out
  std::string wit;
  std::string world;
  std::string output;
  std::vector<std::string> features;
  std::vector<NameValue> build_args;
  std::vector<CommandLine> pre_build;
  std::vector<CommandLine> post_build;
  std::string adapter;
  bool oci = true;
  std::vector<NameValue> labels;  // the file's `labels`
  v1::SourceRange source;
};

struct ZImagefile {
  // What the image is for, as ParsePlatform takes it ("linux/arm64", "arm64", "windows"):
  // `platform` with the system that `os` says; empty where the file says neither. What a request
  // says wins.
  std::string platform;
  std::string os;                      // "linux", "windows", "darwin" or empty
  std::vector<NameValue> annotations;  // of the manifest

  // Exactly one of these is set.
  std::optional<DockerfileInstructions> image;  // `base`, `build` and `stages`
  std::optional<RuntimeUse> runtime;
  std::optional<WasmSection> wasm;

  // By the base text of the stage that begins with it (NestedBuildBase).
  std::map<std::string, NestedBuild> builds;
};

// `name` is the file's name in messages. kInvalidArgument, for the first error of the file,
// "FILE:LINE:COLUMN: path.of.key: what is wrong", with file and line in the detail
// (proto/error_detail.h), the key's path as its subject, and as its reason ZIMAGEFILE_PARSE (no
// YAML, a value of another type, beyond a limit of YAML's) or ZIMAGEFILE_VALIDATION (all else; also
// more than 1000 stages or 10,000 instructions).
absl::StatusOr<ZImagefile> ParseZImagefile(std::string_view text, std::string_view name);

// Puts what the file adds on the template, `file`, which has a stage. Each argument is declared in
// the last stage and before the first FROM, where the file's default takes the place of the
// template's. The instructions come last; a CMD, ENTRYPOINT or HEALTHCHECK of the last stage goes
// where they bring another one, and a CMD where they bring an ENTRYPOINT.
void ApplyToTemplate(const RuntimeUse& use, DockerfileInstructions* file);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_ZIMAGEFILE_H_
