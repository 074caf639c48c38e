#include "backends/native/solver/files_difference.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/strings.h"

namespace zlayer {
namespace {

std::string_view KindOf(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return "file";
    case EntryType::kDirectory:
      return "directory";
    case EntryType::kSymlink:
      return "link";
    case EntryType::kWhiteout:
      return "removal of";
    default:
      return "special file";
  }
}

// Which of the attributes that all entries have differ: "mode and owner".
std::string ChangedAttributes(const Entry& before, const Entry& now) {
  std::vector<std::string> changed;
  if (before.mode != now.mode) {
    changed.emplace_back("mode");
  }
  if (before.uid != now.uid || before.gid != now.gid) {
    changed.emplace_back("owner");
  }
  if (before.xattrs != now.xattrs) {
    changed.emplace_back("extended attributes");
  }
  return Join(changed, " and ");
}

bool SameButForAttributes(Entry before, const Entry& now) {
  before.mode = now.mode;
  before.uid = now.uid;
  before.gid = now.gid;
  before.xattrs = now.xattrs;
  before.mtime_ns = now.mtime_ns;
  return before == now;
}

// The first difference, and how many there are.
class Differences {
 public:
  explicit Differences(const PathNames& names) : names_(names) {}

  void OnlyIn(const Entry& entry, std::string_view how) {
    Add(/*weak=*/false,
        [&] { return fmt::format("{} {} {}", KindOf(entry.type), Name(entry), how); });
  }

  void Between(const Entry& before, const Entry& now) {
    const std::string attributes = ChangedAttributes(before, now);
    if (before.type != now.type) {
      Add(false, [&] {
        return fmt::format("{} was a {}, now it is a {}", Name(now), KindOf(before.type),
                           KindOf(now.type));
      });
    } else if (!SameButForAttributes(before, now)) {
      Add(false, [&] { return fmt::format("{} {} changed", KindOf(now.type), Name(now)); });
    } else if (!attributes.empty()) {
      Add(now.type == EntryType::kDirectory,
          [&] { return fmt::format("the {} of {} changed", attributes, Name(now)); });
    }
  }

  size_t count() const { return count_; }
  std::string Text() const {
    return count_ < 2 ? first_ : fmt::format("{} and {} more", first_, count_ - 1);
  }

 private:
  template <typename Say>
  void Add(bool weak, const Say& say) {
    if (count_++ == 0 || (first_is_weak_ && !weak)) {
      first_ = say();
      first_is_weak_ = weak;
    }
  }
  std::string Name(const Entry& entry) const { return ToUtf8(names_(entry.path)); }

  const PathNames& names_;
  std::string first_;
  bool first_is_weak_ = false;
  size_t count_ = 0;
};

Differences Between(const LayerIndex& before, const LayerIndex& now, const PathNames& names) {
  Differences differences(names);
  for (size_t i = 0, j = 0; i < before.size() || j < now.size();) {
    const auto order = i == before.size() ? std::strong_ordering::greater
                       : j == now.size()  ? std::strong_ordering::less
                                          : ComparePaths(before.PathAt(i), now.PathAt(j));
    if (order < 0) {
      differences.OnlyIn(before.At(i++), "is gone");
    } else if (order > 0) {
      differences.OnlyIn(now.At(j++), "is new");
    } else {
      differences.Between(before.At(i++), now.At(j++));
    }
  }
  return differences;
}

}  // namespace

std::string FirstDifference(const LayerIndex& before, const LayerIndex& now,
                            const PathNames& names) {
  return Between(before, now, names).Text();
}

size_t CountDifferences(const LayerIndex& before, const LayerIndex& now) {
  return Between(before, now, [](std::string_view) { return ""; }).count();
}

}  // namespace zlayer
