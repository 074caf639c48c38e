// Reads values of a YAML document with messages that name the place: "FILE:LINE:COLUMN:
// path.of.key: message".
#ifndef ZLAYER_DAEMON_FRONTEND_PIPELINE_YAML_READER_H_
#define ZLAYER_DAEMON_FRONTEND_PIPELINE_YAML_READER_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace zlayer {

// A value and where it is: "images.web.tags[0]", "" for the whole document.
struct YamlValue {
  YAML::Node node;
  std::string path;
};

// yaml-cpp throws; whoever uses this catches YAML::Exception, which Load never lets out.
//
// Nodes behind an alias are read as often as they are named, so all text that is read counts
// against `max_bytes`.
class YamlReader {
 public:
  YamlReader(std::string file, size_t max_bytes) : file_(std::move(file)), bytes_left_(max_bytes) {}

  // The one document in the text; a null node where there is none.
  absl::StatusOr<YamlValue> Load(const std::string& text) const;

  // kInvalidArgument at the value.
  absl::Status Error(const YamlValue& value, std::string_view message) const;
  absl::Status ErrorAt(const YAML::Mark& mark, std::string_view path,
                       std::string_view message) const;

  using Visit = std::function<absl::Status(const std::string& key, const YamlValue& value)>;
  // Calls `visit` for each key of a mapping; one without a value is empty. A key that is not among
  // `known` (if that is not empty) is an error.
  absl::Status ForEachKey(const YamlValue& map, const std::vector<std::string>& known,
                          const Visit& visit) const;
  // The same for the elements of a list.
  absl::Status ForEachElement(const YamlValue& list,
                              const std::function<absl::Status(const YamlValue&)>& visit) const;

  // A plain value as it is written; nothing is none.
  absl::StatusOr<std::string> Text(const YamlValue& value);
  absl::StatusOr<bool> Flag(const YamlValue& value);
  absl::StatusOr<uint32_t> Number(const YamlValue& value);
  // One of a fixed set.
  absl::StatusOr<std::string> Choice(const YamlValue& value,
                                     const std::vector<std::string>& allowed);

  // So much more was made of the document.
  absl::Status Spend(const YamlValue& value, size_t bytes);

 private:
  const std::string file_;
  size_t bytes_left_;
};

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_FRONTEND_PIPELINE_YAML_READER_H_
