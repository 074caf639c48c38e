#include "daemon/frontend/dockerfile/run_mount.h"

#include <spdlog/fmt/fmt.h>

#include <map>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "daemon/frontend/dockerfile/values.h"

namespace zlayer {
namespace {

using Type = v1::Mount::Type;

constexpr uint32_t kMaxMode = 07777;

const std::map<std::string_view, Type>& Types() {
  static const auto* types = new std::map<std::string_view, Type>{{"bind", v1::Mount::BIND},
                                                                  {"cache", v1::Mount::CACHE},
                                                                  {"tmpfs", v1::Mount::TMPFS},
                                                                  {"secret", v1::Mount::SECRET},
                                                                  {"ssh", v1::Mount::SSH}};
  return *types;
}

const std::map<std::string_view, v1::Mount::Sharing>& Sharings() {
  static const auto* sharings =
      new std::map<std::string_view, v1::Mount::Sharing>{{"shared", v1::Mount::SHARED},
                                                         {"private", v1::Mount::PRIVATE},
                                                         {"locked", v1::Mount::LOCKED}};
  return *sharings;
}

template <typename Map>
std::vector<std::string> KeysOf(const Map& map) {
  std::vector<std::string> keys;
  for (const auto& entry : map) {
    keys.emplace_back(entry.first);
  }
  return keys;
}

// "key=value", or a key alone.
struct Field {
  std::string text;
  std::string key;  // lower case
  std::optional<std::string> value;
};

Field SplitField(const std::string& text) {
  const size_t equals = text.find('=');
  Field field{text, ToLower(std::string_view(text).substr(0, equals)), std::nullopt};
  if (equals != std::string::npos) {
    field.value = text.substr(equals + 1);
  }
  return field;
}

absl::Status BadList(std::string_view flag, std::string_view text) {
  return InvalidArgument(
      fmt::format("--{} is a list such as {}, with its quotes closed, not {}", flag,
                  flag == "mount" ? "type=cache,target=/x" : "name,required", GoQuote(text)));
}

absl::Status BadValue(const Field& field, std::string_view expected) {
  return InvalidArgument(fmt::format("--mount: {} is {}, not {}", field.key, expected,
                                     GoQuote(field.value.value_or(""))));
}

std::string_view TypeName(Type type) {
  for (const auto& [name, value] : Types()) {
    if (value == type) {
      return name;
    }
  }
  return "";
}

// Takes the keys of one mount, one after the other, and checks that they fit together.
class MountParser {
 public:
  absl::Status Take(const Field& field);
  absl::StatusOr<RunMount> Finish();

 private:
  using Setter = absl::Status (MountParser::*)(const Field& field);

  static const std::map<std::string_view, Setter>& Setters();

  bool HasRequired() const {
    return mount_.type == v1::Mount::SECRET || mount_.type == v1::Mount::SSH;
  }
  absl::Status NotOfType(std::string_view key) const {
    return InvalidArgument(
        fmt::format("--mount: a mount of type {} has no {}", TypeName(mount_.type), key));
  }

  absl::Status SetType(const Field& field);
  absl::Status SetSharing(const Field& field);
  absl::Status SetSize(const Field& field);
  absl::Status SetRequired(const Field& field);
  absl::Status SetReadOnly(const Field& field);
  absl::Status SetReadWrite(const Field& field);
  absl::Status SetMode(const Field& field);
  absl::Status SetEnvironment(const Field& field);
  template <std::string RunMount::*member>
  absl::Status SetText(const Field& field);
  template <std::optional<uint32_t> RunMount::*member>
  absl::Status SetId(const Field& field);
  absl::StatusOr<bool> Boolean(const Field& field);
  absl::Status CheckSecret() const;

  RunMount mount_;
  std::optional<bool> read_only_;
  std::optional<v1::Mount::Sharing> sharing_;
};

const std::map<std::string_view, MountParser::Setter>& MountParser::Setters() {
  static const auto* setters = new std::map<std::string_view, Setter>{
      {"type", &MountParser::SetType},
      {"from", &MountParser::SetText<&RunMount::from>},
      {"source", &MountParser::SetText<&RunMount::source>},
      {"src", &MountParser::SetText<&RunMount::source>},
      {"target", &MountParser::SetText<&RunMount::target>},
      {"dst", &MountParser::SetText<&RunMount::target>},
      {"destination", &MountParser::SetText<&RunMount::target>},
      {"readonly", &MountParser::SetReadOnly},
      {"ro", &MountParser::SetReadOnly},
      {"readwrite", &MountParser::SetReadWrite},
      {"rw", &MountParser::SetReadWrite},
      {"id", &MountParser::SetText<&RunMount::id>},
      {"sharing", &MountParser::SetSharing},
      {"size", &MountParser::SetSize},
      {"required", &MountParser::SetRequired},
      {"mode", &MountParser::SetMode},
      {"uid", &MountParser::SetId<&RunMount::uid>},
      {"gid", &MountParser::SetId<&RunMount::gid>},
      {"env", &MountParser::SetEnvironment},
  };
  return *setters;
}

absl::Status MountParser::Take(const Field& field) {
  const auto setter = Setters().find(field.key);
  if (setter == Setters().end()) {
    return InvalidArgument(fmt::format("--mount has no key {}{}", GoQuote(field.key),
                                       Suggestion(field.key, KeysOf(Setters()))));
  }
  const bool needs_value = setter->second != &MountParser::SetReadOnly &&
                           setter->second != &MountParser::SetReadWrite &&
                           setter->second != &MountParser::SetRequired;
  if (needs_value && !field.value) {
    return InvalidArgument(
        fmt::format("--mount: {} needs a value: {}=VALUE", GoQuote(field.text), field.key));
  }
  return (this->*setter->second)(field);
}

absl::StatusOr<bool> MountParser::Boolean(const Field& field) {
  const std::optional<bool> value = field.value ? ParseGoBool(*field.value) : true;
  if (!value) {
    return BadValue(field, "true or false");
  }
  return *value;
}

absl::Status MountParser::SetType(const Field& field) {
  const auto type = Types().find(ToLower(*field.value));
  if (type == Types().end()) {
    return InvalidArgument(
        fmt::format("--mount: there is no type {}: it is bind, cache, tmpfs, secret or ssh{}",
                    GoQuote(*field.value), Suggestion(*field.value, KeysOf(Types()))));
  }
  mount_.type = type->second;
  return absl::OkStatus();
}

absl::Status MountParser::SetSharing(const Field& field) {
  const auto sharing = Sharings().find(ToLower(*field.value));
  if (sharing == Sharings().end()) {
    return BadValue(field, "shared, private or locked");
  }
  sharing_ = sharing->second;
  return absl::OkStatus();
}

absl::Status MountParser::SetSize(const Field& field) {
  if (mount_.type != v1::Mount::TMPFS) {
    return NotOfType("size");
  }
  const std::optional<uint64_t> size = ParseByteSize(*field.value);
  if (!size) {
    return BadValue(field, "a number of bytes such as 64m or 1.5g");
  }
  mount_.size_bytes = *size;
  return absl::OkStatus();
}

absl::Status MountParser::SetRequired(const Field& field) {
  if (!HasRequired()) {
    return NotOfType("required");
  }
  ASSIGN_OR_RETURN(mount_.required, Boolean(field));
  return absl::OkStatus();
}

absl::Status MountParser::SetReadOnly(const Field& field) {
  ASSIGN_OR_RETURN(read_only_, Boolean(field));
  return absl::OkStatus();
}

absl::Status MountParser::SetReadWrite(const Field& field) {
  ASSIGN_OR_RETURN(const bool read_write, Boolean(field));
  read_only_ = !read_write;
  return absl::OkStatus();
}

absl::Status MountParser::SetMode(const Field& field) {
  uint32_t mode = 0;
  bool valid = !field.value->empty();
  for (const char c : *field.value) {
    valid = valid && c >= '0' && c <= '7' && mode <= kMaxMode;
    mode = mode * 8 + static_cast<uint32_t>(c - '0');
  }
  if (!valid || mode > kMaxMode) {
    return BadValue(field, "octal such as 0755");
  }
  mount_.mode = mode;
  return absl::OkStatus();
}

absl::Status MountParser::SetEnvironment(const Field& field) {
  mount_.environment = *field.value;
  return absl::OkStatus();
}

template <std::string RunMount::*member>
absl::Status MountParser::SetText(const Field& field) {
  mount_.*member = *field.value;
  return absl::OkStatus();
}

template <std::optional<uint32_t> RunMount::*member>
absl::Status MountParser::SetId(const Field& field) {
  const std::optional<uint64_t> id = ParseUint(*field.value);
  if (!id || *id > UINT32_MAX) {
    return BadValue(field, "a number");
  }
  mount_.*member = static_cast<uint32_t>(*id);
  return absl::OkStatus();
}

absl::Status MountParser::CheckSecret() const {
  if (!mount_.from.empty()) {
    return NotOfType("from");
  }
  if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty()) {
    return InvalidArgument("--mount: a mount of type secret needs an id or a target");
  }
  if (!mount_.source.empty() && !mount_.id.empty()) {
    return InvalidArgument("--mount: a mount of type secret has an id or a source, not both");
  }
  return absl::OkStatus();
}

absl::StatusOr<RunMount> MountParser::Finish() {
  if (mount_.type == v1::Mount::BIND || mount_.type == v1::Mount::TMPFS) {
    for (const auto& [name, value] :
         {std::pair("mode", mount_.mode), {"uid", mount_.uid}, {"gid", mount_.gid}}) {
      if (value) {
        return NotOfType(name);
      }
    }
  }
  if (sharing_ && mount_.type != v1::Mount::CACHE) {
    return NotOfType("sharing");
  }
  if (mount_.type == v1::Mount::SECRET) {
    RETURN_IF_ERROR(CheckSecret());
  }
  mount_.sharing = sharing_.value_or(v1::Mount::SHARED);
  const bool writable = mount_.type == v1::Mount::CACHE || mount_.type == v1::Mount::TMPFS;
  mount_.read_only = read_only_.value_or(!writable);
  return std::move(mount_);
}

}  // namespace

absl::StatusOr<RunMountText> SplitRunMount(std::string_view text) {
  const std::optional<std::vector<std::string>> fields = SplitCsv(text);
  if (!fields) {
    return BadList("mount", text);
  }
  RunMountText mount{std::string(text), ""};
  for (const std::string& field_text : *fields) {
    const Field field = SplitField(field_text);
    if (field.key != "from" || !field.value) {
      continue;
    }
    if (const size_t dollar = field.value->find('$'); dollar < field.value->size() - 1) {
      return InvalidArgument(
          "variables are not expanded in --mount=from=...; name a stage instead: FROM $IMAGE AS "
          "name, with an ARG before the first FROM");
    }
    mount.from = *field.value;
  }
  return mount;
}

absl::StatusOr<RunMount> ParseRunMount(const RunMountText& text, const WordExpander& expand) {
  const std::optional<std::vector<std::string>> fields = SplitCsv(text.text);
  if (!fields) {
    return BadList("mount", text.text);
  }
  MountParser parser;
  for (const std::string& field_text : *fields) {
    Field field = SplitField(field_text);
    if (field.value) {
      ASSIGN_OR_RETURN(field.value, expand(*field.value));
    }
    RETURN_IF_ERROR(parser.Take(field));
  }
  return parser.Finish();
}

absl::StatusOr<RunDevice> ParseRunDevice(std::string_view text) {
  const std::optional<std::vector<std::string>> fields = SplitCsv(text);
  if (!fields) {
    return BadList("device", text);
  }
  RunDevice device;
  for (const std::string& field_text : *fields) {
    const Field field = SplitField(field_text);
    if (field.key == "required") {
      const std::optional<bool> required = field.value ? ParseGoBool(*field.value) : true;
      if (!required) {
        return InvalidArgument(
            fmt::format("--device: required is true or false, not {}", GoQuote(*field.value)));
      }
      device.required = *required;
    } else if (device.name.empty()) {
      device.name = field.key == "name" && field.value ? *field.value : field.text;
    } else {
      return InvalidArgument(fmt::format("--device: {} is neither its one name nor \"required\"",
                                         GoQuote(field.text)));
    }
  }
  return device;
}

}  // namespace zlayer
