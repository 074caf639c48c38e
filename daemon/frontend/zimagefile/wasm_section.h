// `wasm` of a ZImagefile.
#ifndef ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_WASM_SECTION_H_
#define ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_WASM_SECTION_H_

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/frontend/yaml/field.h"
#include "daemon/frontend/zimagefile/zimagefile.h"

namespace zlayer {

absl::StatusOr<WasmSection> ReadWasmSection(const Field& value);

// The section that a name of a runtime stands for ("wasm", "wasi-component", in any case); nullopt
// where it is another runtime's.
std::optional<WasmSection> WasmRuntime(std::string_view name);

std::vector<std::string> WasmKeys();

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_ZIMAGEFILE_WASM_SECTION_H_
