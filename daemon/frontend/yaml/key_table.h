// The keys that a map may have, as a table.
#ifndef ZLAYER_DAEMON_FRONTEND_YAML_KEY_TABLE_H_
#define ZLAYER_DAEMON_FRONTEND_YAML_KEY_TABLE_H_

#include <absl/status/statusor.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "daemon/frontend/yaml/field.h"

namespace zlayer {

// A key, and how its value gets into what the map becomes.
template <typename Out>
struct Key {
  std::string name;
  std::function<absl::Status(const Field& value, Out* out)> read;
};

template <typename Out>
using KeyTable = std::vector<Key<Out>>;

template <typename Out>
std::vector<std::string> KeyNames(const KeyTable<Out>& table) {
  std::vector<std::string> names;
  for (const Key<Out>& key : table) {
    names.push_back(key.name);
  }
  return names;
}

// kValidation: "there is no key ...; did you mean ...?", or the known ones; that merge keys are not
// taken.
absl::Status UnknownKey(const Field& entry, std::vector<std::string> known);

// Reads a map's values in the file's order, up to the first error.
template <typename Out>
absl::Status ReadMap(const Field& map, const KeyTable<Out>& table, Out* out) {
  ASSIGN_OR_RETURN(const std::vector<Field> entries, map.Entries());
  for (const Field& entry : entries) {
    const auto key = std::find_if(table.begin(), table.end(), [&entry](const Key<Out>& known) {
      return known.name == entry.key();
    });
    if (key == table.end()) {
      return UnknownKey(entry, KeyNames(table));
    }
    RETURN_IF_ERROR(key->read(entry, out));
  }
  return absl::OkStatus();
}

// Readers for tables: the member gets what `read`, a method of Field or a function of one, reads,
// as in Into<&CopyInstruction::link, &Field::Boolean, CopyInstruction>.
template <auto member, auto read, typename Out>
absl::Status Into(const Field& value, Out* out) {
  ASSIGN_OR_RETURN(out->*member, std::invoke(read, value));
  return absl::OkStatus();
}

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_YAML_KEY_TABLE_H_
