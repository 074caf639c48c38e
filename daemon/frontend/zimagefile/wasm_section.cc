#include "daemon/frontend/zimagefile/wasm_section.h"

#include <utility>

#include "base/strings.h"
#include "daemon/frontend/yaml/key_table.h"
#include "daemon/frontend/zimagefile/dockerfile_words.h"

namespace zlayer {
namespace {

struct RuntimeName {
  std::string_view name;
  std::string_view target;
};

constexpr RuntimeName kRuntimes[] = {{"wasm", "preview2"},          {"webassembly", "preview2"},
                                     {"wasm-module", "preview1"},   {"wasm-preview1", "preview1"},
                                     {"wasm-preview2", "preview2"}, {"wasm-component", "preview2"},
                                     {"wasi-component", "preview2"}};

template <std::string WasmSection::*member>
Key<WasmSection> ChoiceKey(std::string name, std::vector<std::string> choices) {
  return {std::move(name), [choices](const Field& value, WasmSection* wasm) -> absl::Status {
            ASSIGN_OR_RETURN(wasm->*member, ReadLiteralChoice(value, choices));
            return absl::OkStatus();
          }};
}

template <auto member>
absl::Status LiteralKey(const Field& value, WasmSection* wasm) {
  return Into<member, ReadLiteral>(value, wasm);
}

// A list of commands; of one, a text alone is enough.
template <std::vector<CommandLine> WasmSection::*member>
absl::Status CommandsKey(const Field& value, WasmSection* wasm) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.ItemsOrOne());
  for (const Field& item : items) {
    ASSIGN_OR_RETURN(CommandLine command, ReadCommand(item));
    if (command.words.empty()) {
      return item.Error("there is no command to run");
    }
    (wasm->*member).push_back(std::move(command));
  }
  return absl::OkStatus();
}

absl::Status ReadFeatures(const Field& value, WasmSection* wasm) {
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.ItemsOrOne());
  ASSIGN_OR_RETURN(wasm->features, ReadEach(items, ReadLiteral));
  return absl::OkStatus();
}

const KeyTable<WasmSection>& Keys() {
  static const auto* keys = new KeyTable<WasmSection>{
      ChoiceKey<&WasmSection::target>("target", {"preview1", "preview2"}),
      {"optimize", Into<&WasmSection::optimize, &Field::Boolean, WasmSection>},
      ChoiceKey<&WasmSection::opt_level>("opt_level", {"O", "Os", "Oz", "O2", "O3"}),
      ChoiceKey<&WasmSection::language>("language", {"rust", "rust-component", "go", "python",
                                                     "typescript", "assemblyscript", "c", "zig"}),
      {"wit", LiteralKey<&WasmSection::wit>},
      ChoiceKey<&WasmSection::world>(
          "world",
          {"zlayer-plugin", "zlayer-http-handler", "zlayer-transformer", "zlayer-authenticator",
           "zlayer-rate-limiter", "zlayer-middleware", "zlayer-router"}),
      {"output", LiteralKey<&WasmSection::output>},
      {"features", ReadFeatures},
      {"build_args", Into<&WasmSection::build_args, ReadLiteralPairs, WasmSection>},
      {"pre_build", CommandsKey<&WasmSection::pre_build>},
      {"post_build", CommandsKey<&WasmSection::post_build>},
      {"adapter", LiteralKey<&WasmSection::adapter>},
      {"oci", Into<&WasmSection::oci, &Field::Boolean, WasmSection>},
  };
  return *keys;
}

}  // namespace

absl::StatusOr<WasmSection> ReadWasmSection(const Field& value) {
  WasmSection wasm;
  RETURN_IF_ERROR(ReadMap(value, Keys(), &wasm));
  wasm.source = value.source();
  return wasm;
}

std::optional<WasmSection> WasmRuntime(std::string_view name) {
  const std::string lower = ToLower(name);
  for (const RuntimeName& runtime : kRuntimes) {
    if (runtime.name == lower) {
      WasmSection wasm;
      wasm.target = runtime.target;
      return wasm;
    }
  }
  return std::nullopt;
}

std::vector<std::string> WasmKeys() { return KeyNames(Keys()); }

}  // namespace zlayer
