#include "daemon/config/config.h"

#include <fmt/format.h>
#include <sys/un.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_size.h"
#include "base/default_address.h"
#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

constexpr size_t kMaxFileSize = size_t{1} << 20;
constexpr std::string_view kUnixScheme = "unix://";
constexpr std::chrono::hours kMaxDuration{24};
constexpr std::chrono::hours kMaxHistory{10 * 365 * 24};
constexpr size_t kMaxList = 32;

// What a key's value is put into.
using Setter = std::function<absl::Status(const std::string& value)>;

// A mapping of the file: its keys with what they take, a value, another mapping, or a list of such.
struct Section {
  struct Key {
    std::string name;
    Setter set;                             // of a value
    std::shared_ptr<const Section> nested;  // of a mapping
    // Of a list: empties it, and makes an element, whose mapping is returned.
    std::function<void()> clear = nullptr;
    std::function<Section()> append = nullptr;
  };
  std::vector<Key> keys;
};

Setter Path(std::string* target) {
  return [target](const std::string& value) {
    if (!value.starts_with('/')) {
      return InvalidArgument(fmt::format("\"{}\" is not an absolute path", value));
    }
    *target = value;
    return absl::OkStatus();
  };
}

Setter Text(std::string* target) {
  return [target](const std::string& value) {
    *target = value;
    return absl::OkStatus();
  };
}

Setter Address(std::string* target) {
  return [target](const std::string& value) {
    if (!value.starts_with(kUnixScheme) || !value.substr(kUnixScheme.size()).starts_with('/')) {
      return InvalidArgument(fmt::format(
          "\"{}\" is not unix:///PATH, the one form of address that the API can be served at",
          value));
    }
    if (value.size() - kUnixScheme.size() >= sizeof(sockaddr_un::sun_path)) {
      return InvalidArgument(
          fmt::format("the path of \"{}\" is longer than {} bytes, the limit of "
                      "the system for sockets",
                      value, sizeof(sockaddr_un::sun_path) - 1));
    }
    *target = value;
    return absl::OkStatus();
  };
}

// By their names, which are at the places of the values.
template <typename Choices, typename Target>
Setter OneOf(const Choices& choices, Target* target) {
  return [&choices, target](const std::string& value) {
    std::vector<std::string> names;
    for (const auto& [name, choice] : choices) {
      if (name == value) {
        *target = choice;
        return absl::OkStatus();
      }
      names.emplace_back(name);
    }
    return InvalidArgument(fmt::format("\"{}\" is not one of {}", value, Join(names, ", ")));
  };
}

Setter Number(uint32_t least, uint32_t most, uint32_t* target) {
  return [least, most, target](const std::string& value) {
    std::optional<uint64_t> number = ParseUint(value);
    if (!number.has_value() || *number < least || *number > most) {
      return InvalidArgument(
          fmt::format("\"{}\" is not a number from {} to {}", value, least, most));
    }
    *target = static_cast<uint32_t>(*number);
    return absl::OkStatus();
  };
}

std::optional<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  std::optional<uint64_t> number = ParseUint(text.substr(0, digits));
  std::string_view unit = text.substr(digits);
  // More would overflow, and is longer than any key takes.
  if (!number.has_value() || *number > 24 * 3600 * 1000) {
    return std::nullopt;
  }
  auto count = static_cast<int64_t>(*number);
  if (unit == "ms") {
    return std::chrono::milliseconds(count);
  }
  if (unit == "s") {
    return std::chrono::seconds(count);
  }
  if (unit == "m") {
    return std::chrono::minutes(count);
  }
  if (unit == "h" && count <= kMaxHistory.count()) {
    return std::chrono::hours(count);
  }
  return std::nullopt;
}

Setter Duration(std::chrono::nanoseconds* target) {
  return [target](const std::string& value) {
    std::optional<std::chrono::nanoseconds> duration = ParseDuration(value);
    if (!duration.has_value() || *duration > kMaxDuration) {
      return InvalidArgument(fmt::format(
          "\"{}\" is not a duration of up to 24h, such as 500ms, 30s, 5m or 1h", value));
    }
    *target = *duration;
    return absl::OkStatus();
  };
}

// In days, or in the units of durations.
Setter Age(std::chrono::nanoseconds* target) {
  return [target](const std::string& value) {
    std::optional<std::chrono::nanoseconds> age;
    if (value.ends_with('d')) {
      std::optional<uint64_t> days = ParseUint(std::string_view(value).substr(0, value.size() - 1));
      if (days.has_value() && *days <= 3650) {
        age = std::chrono::hours(24 * static_cast<int64_t>(*days));
      }
    } else {
      age = ParseDuration(value);
    }
    if (!age.has_value() || *age > kMaxHistory) {
      return InvalidArgument(
          fmt::format("\"{}\" is not an age of up to 3650d, such as 30d, 12h or 5m", value));
    }
    *target = *age;
    return absl::OkStatus();
  };
}

Setter Entitlements(std::string* target) {
  return [target](const std::string& value) {
    for (const std::string_view name : Split(value, ' ')) {
      if (!name.empty() && name != "security.insecure") {
        return InvalidArgument(
            fmt::format("\"{}\" is not an entitlement; security.insecure is one", name));
      }
    }
    *target = value;
    return absl::OkStatus();
  };
}

Setter Boolean(bool* target) {
  return [target](const std::string& value) {
    if (value != "true" && value != "false") {
      return InvalidArgument(fmt::format("\"{}\" is not true or false", value));
    }
    *target = value == "true";
    return absl::OkStatus();
  };
}

Setter Types(std::vector<std::string>* target) {
  return [target](const std::string& value) {
    target->clear();
    for (const std::string_view name : Split(value, ' ')) {
      if (name.empty()) {
        continue;
      }
      if (name != "record" && name != "cache-mount" && name != "fetched" && name != "image") {
        return InvalidArgument(fmt::format(
            "\"{}\" is not a type of cache entries: record, cache-mount, fetched and image are",
            name));
      }
      target->emplace_back(name);
    }
    return absl::OkStatus();
  };
}

Setter Size(Config::Gc::Size* target) {
  return [target](const std::string& value) {
    if (value.ends_with('%')) {
      std::optional<uint64_t> percent =
          ParseUint(std::string_view(value).substr(0, value.size() - 1));
      if (percent.has_value() && *percent <= 100) {
        *target = {0, static_cast<uint32_t>(*percent)};
        return absl::OkStatus();
      }
    } else if (std::optional<uint64_t> bytes = ParseByteSize(value); bytes.has_value()) {
      *target = {*bytes, 0};
      return absl::OkStatus();
    }
    return InvalidArgument(
        fmt::format("\"{}\" is not a size, such as 10GB, 512MiB or 20% (of the disk)", value));
  };
}

Section::Key Nested(std::string name, std::vector<Section::Key> keys) {
  auto section = std::make_shared<Section>();
  section->keys = std::move(keys);
  return {std::move(name), nullptr, std::move(section)};
}

std::vector<Section::Key> ModuleLevels(LogOptions* log) {
  std::vector<Section::Key> keys;
  for (const auto& [name, module] : kLogModules) {
    std::optional<LogLevel>* level = &log->levels[static_cast<size_t>(module)];
    keys.push_back({std::string(name), OneOf(kLogLevels, level), nullptr});
  }
  return keys;
}

Section PolicySchema(Config::Gc::Policy* policy) {
  return {{
      {"types", Types(&policy->types), nullptr},
      {"namespace", Text(&policy->name_space), nullptr},
      {"keep_duration", Age(&policy->keep_duration), nullptr},
      {"reserved", Size(&policy->reserved), nullptr},
      {"max_used", Size(&policy->max_used), nullptr},
      {"min_free", Size(&policy->min_free), nullptr},
  }};
}

Section::Key Policies(std::vector<Config::Gc::Policy>* policies) {
  return {"policies", nullptr, nullptr, [policies] { policies->clear(); },
          [policies] { return PolicySchema(&policies->emplace_back()); }};
}

Section RegistrySchema(Config::Registry* registry) {
  return {{
      {"name", Text(&registry->name), nullptr},
      {"mirrors", Text(&registry->mirrors), nullptr},
      {"insecure", Boolean(&registry->insecure), nullptr},
      {"blocked", Boolean(&registry->blocked), nullptr},
      {"ca_file", Path(&registry->ca_file), nullptr},
      {"client_cert", Path(&registry->client_cert), nullptr},
      {"client_key", Path(&registry->client_key), nullptr},
      {"username", Text(&registry->username), nullptr},
      {"password_file", Path(&registry->password_file), nullptr},
      {"max_transfers", Number(1, 64, &registry->max_transfers), nullptr},
  }};
}

Section::Key Registries(std::vector<Config::Registry>* registries) {
  return {"registries", nullptr, nullptr, [registries] { registries->clear(); },
          [registries] { return RegistrySchema(&registries->emplace_back()); }};
}

Section Schema(Config* config) {
  Section schema;
  schema.keys = {
      {"root", Path(&config->root), nullptr},
      {"address", Address(&config->address), nullptr},
      Nested("log",
             {
                 {"level", OneOf(kLogLevels, &config->log.level), nullptr},
                 {"format", OneOf(kLogFormats, &config->log.format), nullptr},
                 Nested("levels", ModuleLevels(&config->log)),
             }),
      Nested("queue",
             {
                 {"max_running", Number(1, 1000, &config->queue.max_running), nullptr},
                 {"max_running_per_namespace",
                  Number(0, 1000, &config->queue.max_running_per_namespace), nullptr},
                 {"max_queued", Number(1, 1'000'000, &config->queue.max_queued), nullptr},
                 {"max_queued_per_namespace",
                  Number(1, 1'000'000, &config->queue.max_queued_per_namespace), nullptr},
                 {"max_attempts", Number(1, 1000, &config->queue.max_attempts), nullptr},
                 {"drain_timeout", Duration(&config->queue.drain_timeout), nullptr},
             }),
      Nested("history",
             {
                 {"max_age", Age(&config->history.max_age), nullptr},
                 {"max_builds", Number(0, 10'000'000, &config->history.max_builds), nullptr},
             }),
      Nested("gc",
             {
                 {"automatic", Boolean(&config->gc.automatic), nullptr},
                 {"interval", Duration(&config->gc.interval), nullptr},
                 {"nameless_images", Age(&config->gc.nameless_images), nullptr},
                 Policies(&config->gc.policies),
             }),
      Registries(&config->registries),
      Nested("pull",
             {
                 {"fresh", Duration(&config->pull.fresh), nullptr},
                 {"absent", Duration(&config->pull.absent), nullptr},
             }),
      Nested("server",
             {
                 {"address", Text(&config->server.address), nullptr},
                 {"namespace", Text(&config->server.name_space), nullptr},
                 {"writable", Boolean(&config->server.writable), nullptr},
                 {"tls_cert", Path(&config->server.tls_cert), nullptr},
                 {"tls_key", Path(&config->server.tls_key), nullptr},
             }),
      Nested("native",
             {
                 {"runtime", Text(&config->native.runtime), nullptr},
                 {"max_parallel", Number(0, 10000, &config->native.max_parallel), nullptr},
                 {"max_download_mib", Number(1, 16'777'216, &config->native.max_download_mib),
                  nullptr},
                 {"entitlements", Entitlements(&config->native.entitlements), nullptr},
             }),
  };
  return schema;
}

// Puts the nodes of one file into what a schema names. yaml-cpp throws; LoadConfig catches.
class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  absl::Status Read(const YAML::Node& node, const Section& section, const std::string& prefix) {
    if (node.IsNull()) {
      return absl::OkStatus();
    }
    if (!node.IsMap()) {
      return At(node.Mark(), prefix.empty() ? "the file is not a mapping of keys to values"
                                            : prefix + "is not a mapping of keys to values");
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        return At(entry.first.Mark(), "a key is not a plain word");
      }
      const std::string& name = entry.first.Scalar();
      if (!seen.insert(name).second) {
        return At(entry.first.Mark(), fmt::format("\"{}\" is given twice", name));
      }
      auto key = std::find_if(section.keys.begin(), section.keys.end(),
                              [&name](const Section::Key& known) { return known.name == name; });
      if (key == section.keys.end()) {
        return At(entry.first.Mark(), UnknownKey(name, section, prefix));
      }
      RETURN_IF_ERROR(ReadValue(entry.second, entry.first.Mark(), *key, prefix));
    }
    return absl::OkStatus();
  }

  // "FILE:LINE: message".
  absl::Status At(const YAML::Mark& mark, std::string_view message) const {
    return InvalidArgument(fmt::format("{}:{}: {}", file_, std::max(mark.line, 0) + 1, message));
  }

 private:
  absl::Status ReadValue(const YAML::Node& value, const YAML::Mark& key_mark,
                         const Section::Key& key, const std::string& prefix) {
    if (key.nested != nullptr) {
      return Read(value, *key.nested, prefix + key.name + ": ");
    }
    if (value.IsNull()) {
      return absl::OkStatus();
    }
    if (key.append != nullptr) {
      return ReadList(value, key, prefix);
    }
    if (!value.IsScalar()) {
      return At(key_mark, fmt::format("{}{}: the value is not a plain one", prefix, key.name));
    }
    absl::Status status = key.set(value.Scalar());
    if (!status.ok()) {
      return At(value.Mark(), fmt::format("{}{}: {}", prefix, key.name, Message(status)));
    }
    return status;
  }

  absl::Status ReadList(const YAML::Node& list, const Section::Key& key,
                        const std::string& prefix) {
    if (!list.IsSequence() || list.size() > kMaxList) {
      return At(list.Mark(), fmt::format("{}{}: the value is not a list of at most {} mappings",
                                         prefix, key.name, kMaxList));
    }
    key.clear();
    for (const YAML::Node& element : list) {
      RETURN_IF_ERROR(Read(element, key.append(), prefix + key.name + ": "));
    }
    return absl::OkStatus();
  }

  static std::string UnknownKey(const std::string& name, const Section& section,
                                const std::string& prefix) {
    std::vector<std::string> known;
    for (const Section::Key& key : section.keys) {
      known.push_back(key.name);
    }
    std::sort(known.begin(), known.end());
    return fmt::format("{}the key \"{}\" is not known; known keys are {}", prefix, name,
                       Join(known, ", "));
  }

  const std::string file_;
};

std::string Environment(const std::function<const char*(const char*)>& environment,
                        const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Config DefaultConfigFor(uid_t uid, const std::function<const char*(const char*)>& environment) {
  Config config;
  config.address = DefaultAddressFor(uid, environment("XDG_RUNTIME_DIR"));
  std::string data = Environment(environment, "XDG_DATA_HOME");
  std::string home = Environment(environment, "HOME");
  if (uid == 0) {
    config.root = "/var/lib/zlayer";
  } else if (data.starts_with('/')) {
    config.root = data + "/zlayer";
  } else if (home.starts_with('/')) {
    config.root = home + "/.local/share/zlayer";
  } else {
    config.root = fmt::format("/var/tmp/zlayer-{}", uid);
  }
  return config;
}

Config DefaultConfig() { return DefaultConfigFor(geteuid(), getenv); }

absl::StatusOr<Config> LoadConfig(const std::string& file, const Config& defaults) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(file, kMaxFileSize));
  Config config = defaults;
  Reader reader(file);
  try {
    std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      return reader.At(documents[1].Mark(), "a second document begins here; there may be one only");
    }
    if (!documents.empty()) {
      RETURN_IF_ERROR(reader.Read(documents[0], Schema(&config), ""));
    }
  } catch (const YAML::Exception& error) {
    return reader.At(error.mark, error.msg);
  }
  return config;
}

}  // namespace zlayer
