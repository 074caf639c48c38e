#include "daemon/frontend/zimagefile/run_step.h"

#include <spdlog/fmt/fmt.h>

#include <optional>
#include <utility>

#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/values.h"
#include "daemon/frontend/zimagefile/dockerfile_words.h"

namespace zlayer {
namespace {

// Announces the one heredoc of a script.
constexpr char kScriptName[] = "EOF";

// A mount in the making: the fields of a `RUN --mount`.
struct MountFields {
  std::vector<std::string> fields;
  std::string from;
};

// A field as comma-separated values have it.
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"") == std::string::npos) {
    return text;
  }
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"') {
      quoted += c;
    }
  }
  return quoted + "\"";
}

void AddField(std::string_view key, std::string_view value, MountFields* mount) {
  mount->fields.push_back(CsvField(fmt::format("{}={}", key, value)));
}

using FieldReader = absl::StatusOr<std::string> (*)(const Field& value);

Key<MountFields> MountKey(const std::string& name, FieldReader read) {
  return {name, [name, read](const Field& value, MountFields* mount) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string text, read(value));
            AddField(name, text, mount);
            return absl::OkStatus();
          }};
}

absl::StatusOr<std::string> ReadMountWord(const Field& value) {
  ASSIGN_OR_RETURN(std::string word, ReadNonEmptyWord(value));
  for (const char c : word) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      return value.Error("has a line break or another control character");
    }
  }
  return word;
}

absl::StatusOr<std::string> ReadBoolean(const Field& value) {
  ASSIGN_OR_RETURN(const bool boolean, value.Boolean());
  return std::string(boolean ? "true" : "false");
}

absl::StatusOr<std::string> ReadId(const Field& value) {
  ASSIGN_OR_RETURN(const uint64_t id, value.Number(UINT32_MAX));
  return std::to_string(id);
}

absl::StatusOr<std::string> ReadMode(const Field& value) {
  ASSIGN_OR_RETURN(const std::string mode, value.Text());
  const bool octal =
      !mode.empty() && mode.size() <= 5 && mode.find_first_not_of("01234567") == std::string::npos;
  if (!octal || (mode.size() == 5 && mode[0] != '0')) {
    return value.Error(fmt::format("is octal such as 0755, not {}", GoQuote(CutUtf8(mode, 64))));
  }
  return mode;
}

absl::StatusOr<std::string> ReadSharing(const Field& value) {
  return ReadLiteralChoice(value, {"shared", "private", "locked"});
}

absl::StatusOr<std::string> ReadSize(const Field& value) {
  ASSIGN_OR_RETURN(const std::string size, value.Text());
  if (!ParseByteSize(size)) {
    return value.Error(
        fmt::format("is a size such as 64m or 1g, not {}", GoQuote(CutUtf8(size, 64))));
  }
  return size;
}

Key<MountFields> FromKey() {
  return {"from", [](const Field& value, MountFields* mount) -> absl::Status {
            ASSIGN_OR_RETURN(mount->from, ReadFrom(value));
            AddField("from", mount->from, mount);
            return absl::OkStatus();
          }};
}

struct MountKind {
  std::string name;
  // The key whose value stands for the whole mount where that is a plain text; empty for none.
  std::string main_key;
  // Keys of which one must be there.
  std::vector<std::string> needed;
  KeyTable<MountFields> keys;
};

const std::vector<MountKind>& MountKinds() {
  static const auto* kinds = new std::vector<MountKind>{
      {"bind",
       "",
       {"target"},
       {MountKey("target", ReadMountWord), MountKey("source", ReadMountWord), FromKey(),
        MountKey("readonly", ReadBoolean)}},
      {"cache",
       "target",
       {"target"},
       {MountKey("target", ReadMountWord), MountKey("id", ReadMountWord),
        MountKey("sharing", ReadSharing), MountKey("readonly", ReadBoolean), FromKey(),
        MountKey("source", ReadMountWord), MountKey("mode", ReadMode), MountKey("uid", ReadId),
        MountKey("gid", ReadId)}},
      {"tmpfs",
       "target",
       {"target"},
       {MountKey("target", ReadMountWord), MountKey("size", ReadSize)}},
      {"secret",
       "id",
       {"id"},
       {MountKey("id", ReadMountWord), MountKey("target", ReadMountWord),
        MountKey("env", ReadMountWord), MountKey("required", ReadBoolean),
        MountKey("mode", ReadMode), MountKey("uid", ReadId), MountKey("gid", ReadId)}},
      {"ssh",
       "id",
       {},
       {MountKey("id", ReadMountWord), MountKey("target", ReadMountWord),
        MountKey("required", ReadBoolean), MountKey("mode", ReadMode), MountKey("uid", ReadId),
        MountKey("gid", ReadId)}}};
  return *kinds;
}

absl::StatusOr<RunMountText> ReadMount(const Field& value, const MountKind& kind) {
  MountFields mount;
  AddField("type", kind.name, &mount);
  if (value.IsScalar() && !kind.main_key.empty()) {
    ASSIGN_OR_RETURN(const std::string text, ReadMountWord(value));
    AddField(kind.main_key, text, &mount);
  } else {
    if (!value.IsMap()) {
      return value.TypeError(
          kind.main_key.empty()
              ? "a map of keys to values"
              : fmt::format("a map of keys to values, or the {} alone", kind.main_key));
    }
    RETURN_IF_ERROR(ReadMap(value, kind.keys, &mount));
    for (const std::string& key : kind.needed) {
      if (!value.Find(key)) {
        return value.ErrorAtKey(fmt::format("a {} mount needs \"{}\"", kind.name, key));
      }
    }
  }
  return RunMountText{Join(mount.fields, ","), mount.from};
}

absl::Status ReadMounts(const Field& value, const MountKind& kind, RunInstruction* run) {
  if (value.IsMap() || value.IsScalar()) {
    return value.TypeError("a list of mounts");
  }
  ASSIGN_OR_RETURN(const std::vector<Field> items, value.Items());
  for (const Field& item : items) {
    ASSIGN_OR_RETURN(run->mounts.emplace_back(), ReadMount(item, kind));
  }
  return absl::OkStatus();
}

// A text of several lines is one script, as a heredoc is: the shell runs it whole, or what its
// "#!" names does.
absl::Status ReadRunCommand(const Field& value, RunInstruction* run) {
  ASSIGN_OR_RETURN(run->command, ReadCommand(value));
  if (run->command.words.empty()) {
    return value.Error("there is no command to run");
  }
  if (!run->command.shell) {
    return absl::OkStatus();
  }
  std::string& text = run->command.words[0];
  while (text.ends_with('\n')) {
    text.pop_back();
  }
  if (text.find('\n') != std::string::npos) {
    DockerfileHeredoc script;
    script.name = kScriptName;
    script.expand = false;
    script.content = text + "\n";
    run->heredocs.push_back(std::move(script));
    text = fmt::format("<<{}", kScriptName);
  }
  return absl::OkStatus();
}

// One of some names, each with its value.
template <typename Value>
absl::Status ReadEnum(const Field& field, const std::vector<std::pair<std::string, Value>>& values,
                      Value* out) {
  std::vector<std::string> names;
  for (const auto& [name, value] : values) {
    names.push_back(name);
  }
  const absl::StatusOr<std::string> chosen = ReadLiteralChoice(field, names);
  RETURN_IF_ERROR(chosen.status());
  for (const auto& [name, value] : values) {
    *out = name == *chosen ? value : *out;
  }
  return absl::OkStatus();
}

absl::Status ReadNetwork(const Field& value, RunInstruction* run) {
  return ReadEnum(
      value,
      {{"default", v1::NETWORK_DEFAULT}, {"none", v1::NETWORK_NONE}, {"host", v1::NETWORK_HOST}},
      &run->network);
}

absl::Status ReadSecurity(const Field& value, RunInstruction* run) {
  return ReadEnum(value, {{"sandbox", v1::SECURITY_SANDBOX}, {"insecure", v1::SECURITY_INSECURE}},
                  &run->security);
}

}  // namespace

const KeyTable<RunInstruction>& RunKeys() {
  static const auto* keys = [] {
    auto* table = new KeyTable<RunInstruction>{
        {"run", ReadRunCommand},
        {"env", Into<&RunInstruction::environment, ReadVariablePairs, RunInstruction>},
        {"network", ReadNetwork},
        {"security", ReadSecurity}};
    for (const MountKind& kind : MountKinds()) {
      table->push_back({kind.name, [&kind](const Field& value, RunInstruction* run) {
                          return ReadMounts(value, kind, run);
                        }});
    }
    return table;
  }();
  return *keys;
}

std::map<std::string, std::vector<std::string>> MountKeys() {
  std::map<std::string, std::vector<std::string>> keys;
  for (const MountKind& kind : MountKinds()) {
    keys[kind.name] = KeyNames(kind.keys);
  }
  return keys;
}

}  // namespace zlayer
