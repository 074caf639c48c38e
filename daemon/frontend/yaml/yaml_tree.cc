#include "daemon/frontend/yaml/yaml_tree.h"

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/frontend/dockerfile/go_text.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

constexpr size_t kMaxNodes = 100'000;
constexpr size_t kMaxScalarBytes = size_t{4} << 20;  // with what aliases repeat
constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxShownKey = 64;
constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

YamlPosition PositionOf(const YAML::Mark& mark) {
  return {static_cast<uint32_t>(std::max(mark.line, 0)) + 1,
          static_cast<uint32_t>(std::max(mark.column, 0)) + 1};
}

bool IsPlainKey(std::string_view key) {
  return !key.empty() && key.find_first_not_of(
                             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                             std::string_view::npos;
}

// Of each line, from 1, the last one up to it that is not blank, a comment or a document's mark.
std::vector<uint32_t> LastContentLines(std::string_view text) {
  std::vector<uint32_t> last = {0};
  for (const std::string_view line : Split(text, '\n')) {
    const std::string_view content = Trim(line);
    const bool counts = !content.empty() && !content.starts_with('#') && !line.starts_with("---") &&
                        !line.starts_with("...");
    last.push_back(counts ? static_cast<uint32_t>(last.size()) : last.back());
  }
  return last;
}

// Makes the tree of one document from the parser's events. It must not throw, so what is wrong is
// kept, and the events behind it are ignored.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlFile& file) : file_(file) {}

  void OnDocumentStart(const YAML::Mark& mark) override { start_ = PositionOf(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Begin(mark, "", anchor, YamlNode::Kind::kNull);
    End();
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Begin(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { End(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Begin(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { End(); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;

  // OK up to the first thing that is wrong.
  const absl::Status& status() const { return status_; }

  // Of the document.
  const YamlPosition& start() const { return start_; }

  // Once the document has ended: its root, whose last lines are found in `text`.
  absl::StatusOr<YamlNode> Take(std::string_view text);

 private:
  // A value that has begun.
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::set<std::string> keys;    // of a map
    std::optional<YamlEntry> key;  // of a map: it waits for its value
  };

  void Begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
             YamlNode::Kind kind);
  void End();
  void Add(YamlNode node);
  void AddKey(YamlNode node);
  void Count(const YamlNode& node, size_t depth, const YamlPosition& at);

  void SetLastLines(const std::vector<uint32_t>& content, YamlNode* node) const;
  std::string Path() const;
  void Refuse(const YamlPosition& at, std::string_view message) {
    if (status_.ok()) {
      status_ = YamlError(YamlFault::kParse, file_, at, Path(), message);
    }
  }

  const YamlFile& file_;
  absl::Status status_;
  YamlPosition start_;
  std::vector<Open> open_;
  std::optional<YamlNode> root_;
  std::map<YAML::anchor_t, YamlNode> anchors_;
  // Lines on which values begin, in their order. Until the end, a node's last_line is the number of
  // those that began before it ended.
  std::vector<uint32_t> begins_;
  size_t nodes_ = 0;
  size_t bytes_ = 0;
};

std::string TreeBuilder::Path() const {
  std::string path;
  for (const Open& open : open_) {
    if (open.key) {
      path = ChildPath(path, open.key->key);
    } else if (open.node.kind == YamlNode::Kind::kList) {
      path = ChildPath(path, open.node.items.size());
    }
  }
  return path;
}

// Counts a value that stands at `at` with what is in it, and its depth.
void TreeBuilder::Count(const YamlNode& node, size_t depth, const YamlPosition& at) {
  bytes_ += node.text.size();
  if (depth > kMaxDepth) {
    Refuse(at, fmt::format("values are nested more than {} deep", kMaxDepth));
  } else if (++nodes_ > kMaxNodes || bytes_ > kMaxScalarBytes) {
    Refuse(at, fmt::format("the file has more than {} values or 4 MiB of them, each alias "
                           "counted with what it stands for",
                           kMaxNodes));
  }
  for (size_t i = 0; status_.ok() && i < node.items.size(); ++i) {
    Count(node.items[i], depth + 1, at);
  }
  for (size_t i = 0; status_.ok() && i < node.entries.size(); ++i) {
    bytes_ += node.entries[i].key.size();
    Count(node.entries[i].value, depth + 1, at);
  }
}

void TreeBuilder::Begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                        YamlNode::Kind kind) {
  if (!status_.ok()) {
    return;
  }
  Open& open = open_.emplace_back();
  open.anchor = anchor;
  open.node.kind = kind;
  open.node.at = PositionOf(mark);
  if (kind != YamlNode::Kind::kNull) {  // where nothing stands, the mark is what follows
    begins_.push_back(open.node.at.line);
  }
  Count(open.node, open_.size(), open.node.at);
  if (!tag.empty() && tag != "?" && tag != "!" && !tag.starts_with(kCoreTag)) {
    Refuse(open.node.at, fmt::format("the tag {} is not known; values have no tags here",
                                     GoQuote(CutUtf8(tag, kMaxShownKey))));
  }
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  Begin(mark, tag, anchor, YamlNode::Kind::kScalar);
  if (!status_.ok()) {
    return;
  }
  YamlNode& node = open_.back().node;
  node.text = value;
  bytes_ += value.size();
  if (!IsUtf8(value) || value.find('\0') != std::string::npos) {
    Refuse(node.at, "the text has a NUL byte, or bytes that are not UTF-8");
  }
  End();
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  if (!status_.ok()) {
    return;
  }
  const YamlPosition at = PositionOf(mark);
  begins_.push_back(at.line);
  const auto known = anchors_.find(anchor);
  if (known == anchors_.end()) {
    Refuse(at, "the alias stands for what it is a part of");
    return;
  }
  Count(known->second, open_.size() + 1, at);
  if (status_.ok()) {
    Add(known->second);
  }
}

void TreeBuilder::End() {
  if (!status_.ok()) {
    return;
  }
  Open open = std::move(open_.back());
  open_.pop_back();
  open.node.last_line = static_cast<uint32_t>(begins_.size());
  if (open.anchor != 0) {
    Count(open.node, open_.size() + 1, open.node.at);  // a copy of its own
    anchors_[open.anchor] = open.node;
  }
  if (status_.ok()) {
    Add(std::move(open.node));
  }
}

void TreeBuilder::Add(YamlNode node) {
  if (open_.empty()) {
    root_ = std::move(node);
    return;
  }
  Open& parent = open_.back();
  if (parent.node.kind == YamlNode::Kind::kList) {
    parent.node.items.push_back(std::move(node));
  } else if (!parent.key) {
    AddKey(std::move(node));
  } else {
    parent.key->value = std::move(node);
    if (parent.key->value.kind == YamlNode::Kind::kNull) {
      parent.key->value.at = parent.key->at;
    }
    parent.node.entries.push_back(*std::move(parent.key));
    parent.key.reset();
  }
}

void TreeBuilder::AddKey(YamlNode node) {
  Open& parent = open_.back();
  if (node.kind != YamlNode::Kind::kScalar) {
    Refuse(node.at, "a key is not a plain word");
  } else if (!parent.keys.insert(node.text).second) {
    Refuse(node.at,
           fmt::format("the key {} is given twice", GoQuote(CutUtf8(node.text, kMaxShownKey))));
  } else {
    parent.key.emplace(YamlEntry{std::move(node.text), node.at, {}});
  }
}

void TreeBuilder::SetLastLines(const std::vector<uint32_t>& content, YamlNode* node) const {
  const size_t next = node->last_line;
  const size_t before =
      next < begins_.size() ? begins_[next] - 1 : static_cast<size_t>(content.size()) - 1;
  node->last_line = std::max(content[std::min(before, content.size() - 1)], node->at.line);
  for (YamlNode& item : node->items) {
    SetLastLines(content, &item);
  }
  for (YamlEntry& entry : node->entries) {
    SetLastLines(content, &entry.value);
  }
}

absl::StatusOr<YamlNode> TreeBuilder::Take(std::string_view text) {
  RETURN_IF_ERROR(status_);
  if (!root_) {
    return YamlError(YamlFault::kParse, file_, {1, 1}, "", "the file is empty");
  }
  SetLastLines(LastContentLines(text), &*root_);
  return *std::move(root_);
}

// Where the first character stands that no YAML text has; nullopt where there is none.
std::optional<YamlPosition> FindBadCharacter(std::string_view text) {
  YamlPosition at{1, 1};
  while (!text.empty()) {
    const CodePoint point = FirstCodePoint(text);
    const bool control =
        point.value < ' ' && point.value != '\t' && point.value != '\n' && point.value != '\r';
    if (control || point.value == 0x7f || point.value > 0x10ffff) {
      return at;
    }
    at.column += static_cast<uint32_t>(point.length);
    if (point.value == '\n') {
      at = {at.line + 1, 1};
    }
    text.remove_prefix(point.length);
  }
  return std::nullopt;
}

}  // namespace

std::string ChildPath(std::string_view path, std::string_view key) {
  if (!IsPlainKey(key)) {
    return fmt::format("{}[{}]", path, GoQuote(CutUtf8(key, kMaxShownKey)));
  }
  return fmt::format("{}{}{}", path, path.empty() ? "" : ".", CutUtf8(key, kMaxShownKey));
}

std::string ChildPath(std::string_view path, size_t index) {
  return fmt::format("{}[{}]", path, index);
}

absl::Status YamlError(YamlFault fault, const YamlFile& file, const YamlPosition& at,
                       std::string_view path, std::string_view message) {
  v1::ErrorDetail detail;
  detail.set_reason(fault == YamlFault::kParse ? file.parse_reason : file.validation_reason);
  detail.set_subject(std::string(path));
  detail.mutable_source()->set_file(ToUtf8(file.name));
  detail.mutable_source()->set_first_line(at.line);
  detail.mutable_source()->set_last_line(at.line);
  return WithDetail(InvalidArgument(fmt::format("{}:{}:{}: {}{}{}", file.name, at.line, at.column,
                                                path, path.empty() ? "" : ": ", message)),
                    detail);
}

absl::StatusOr<YamlNode> ParseYaml(std::string_view text, const YamlFile& file) {
  const auto refuse = [&file](const YamlPosition& at, std::string_view message) {
    return YamlError(YamlFault::kParse, file, at, "", message);
  };
  text = WithoutByteOrderMark(text);
  if (text.size() > kMaxYamlBytes) {
    return refuse({1, 1}, "the file is longer than 1 MiB");
  }
  if (const std::optional<YamlPosition> bad = FindBadCharacter(text)) {
    return refuse(*bad,
                  "there is a control character, or a byte that is not UTF-8; the file must "
                  "be text");
  }
  std::istringstream stream{std::string(text)};
  TreeBuilder builder(file);
  TreeBuilder second(file);
  try {
    YAML::Parser parser(stream);
    parser.HandleNextDocument(builder);
    if (parser.HandleNextDocument(second)) {
      RETURN_IF_ERROR(builder.status());
      return refuse(second.start(), "a second document begins here; a file has one");
    }
  } catch (const YAML::Exception& error) {
    RETURN_IF_ERROR(builder.status());  // stands before it
    return refuse(PositionOf(error.mark), fmt::format("this is not YAML: {}", error.msg));
  }
  return builder.Take(text);
}

}  // namespace zlayer
