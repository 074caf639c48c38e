#include "daemon/build/context_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "proto/error_detail.h"
#include "registry/layer/rootfs.h"

namespace zlayer {
namespace {

// Copies kept entries to a new index, with the directories and links that they need.
class Filter {
 public:
  explicit Filter(const LayerIndex& from) : from_(from) {}

  absl::Status Keep(Entry entry) {
    RETURN_IF_ERROR(KeepParents(entry.path));
    // A hard link of a file that was left out: the first one kept stands for it.
    if (!entry.hard_link.empty() && to_.Find(entry.hard_link) == nullptr) {
      auto [leader, first] = leaders_.emplace(entry.hard_link, entry.path);
      entry.hard_link = first ? "" : leader->second;
    }
    return to_.Add(std::move(entry));
  }

  absl::StatusOr<std::string> Serialize() { return to_.Serialize(); }

 private:
  absl::Status KeepParents(std::string_view path) {
    while (!path.empty()) {
      path = ParentPath(path);
      if (path.empty() || to_.Find(path) != nullptr) {
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(to_.Add(from_.At(from_.Find(path))));
    }
    return absl::OkStatus();
  }

  const LayerIndex& from_;
  LayerIndexBuilder to_;
  std::map<std::string, std::string> leaders_;
};

absl::Status CannotRead(absl::Status status, const std::string& name) {
  v1::ErrorDetail detail;
  detail.set_reason("CONTEXT_READ");
  detail.set_subject(name);
  return WithDetail(std::move(status), detail);
}

}  // namespace

absl::StatusOr<std::string> ReadContextFile(LayerStore& layers, const LayerRef& context,
                                            const std::string& path, size_t limit) {
  const std::string name = ToUtf8(path);
  Rootfs view({context});
  absl::StatusOr<std::string> resolved = view.Resolve(CleanPath(path));
  if (!resolved.ok()) {
    return CannotRead(Annotate(resolved.status(), fmt::format("the build context's {}", name)),
                      name);
  }
  std::optional<RootfsEntry> found = view.Lookup(*resolved);
  if (!found.has_value()) {
    return CannotRead(NotFound(fmt::format("the build context has no file {}", name)), name);
  }
  if (found->entry.type != EntryType::kFile) {
    return CannotRead(
        InvalidArgument(fmt::format("the build context's {} is not a regular file", name)), name);
  }
  ASSIGN_OR_RETURN(ContentFile file, layers.OpenContent(*context, found->entry));
  if (file.size > limit) {
    return ResourceExhausted(
        fmt::format("the build context's {} is larger than {} KiB", name, limit >> 10));
  }
  std::string text;
  RETURN_IF_ERROR(ReadContent(file, found->entry.content, [&](std::string_view data) {
    text += data;
    return absl::OkStatus();
  }));
  return text;
}

absl::StatusOr<std::vector<std::string>> ListContextFiles(const LayerRef& context,
                                                          const std::string& directory) {
  const Rootfs view({context});
  absl::StatusOr<std::string> path = view.Resolve(CleanPath(directory));
  const std::optional<RootfsEntry> found = path.ok() ? view.Lookup(*path) : std::nullopt;
  if (!found.has_value() || found->entry.type != EntryType::kDirectory) {
    const std::string name = ToUtf8(directory);
    return CannotRead(NotFound(fmt::format("the build context has no directory {}", name)), name);
  }
  std::vector<std::string> names = view.List(*path);
  std::erase_if(names, [&](const std::string& name) {
    const auto entry = view.Lookup(path->empty() ? name : *path + "/" + name);
    return !entry.has_value() || entry->entry.type == EntryType::kDirectory;
  });
  return names;
}

absl::StatusOr<std::string> ReadContextHead(LayerStore& layers, const LayerRef& context,
                                            const std::string& path, size_t size) {
  const Rootfs view({context});
  const absl::StatusOr<std::string> resolved = view.Resolve(CleanPath(path));
  const std::optional<RootfsEntry> found =
      resolved.ok() ? view.Lookup(*resolved) : std::optional<RootfsEntry>();
  if (!found.has_value() || found->entry.type != EntryType::kFile) {
    return std::string();
  }
  ASSIGN_OR_RETURN(ContentFile file, layers.OpenContent(*context, found->entry));
  std::string head(std::min<uint64_t>(file.size, size), '\0');
  RETURN_IF_ERROR(PreadFully(file.fd->get(), head.data(), head.size(), file.offset));
  return head;
}

absl::StatusOr<std::string> WithoutIgnored(const LayerIndex& context, const IgnoreRules& rules) {
  Filter filter(context);
  size_t i = 0;
  while (i < context.size()) {
    std::string_view path = context.PathAt(i);
    if (!rules.Matches(path).ignored) {
      RETURN_IF_ERROR(filter.Keep(context.At(i)));
      ++i;
    } else if (context.TypeAt(i) == EntryType::kDirectory && !rules.MayContainKept(path)) {
      i = context.SubtreeEnd(path);
    } else {
      ++i;
    }
  }
  return filter.Serialize();
}

}  // namespace zlayer
