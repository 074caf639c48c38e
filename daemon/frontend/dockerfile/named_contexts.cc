#include "daemon/frontend/dockerfile/named_contexts.h"

#include <absl/status/statusor.h>

#include "base/strings.h"
#include "registry/image/reference.h"

namespace zlayer {
namespace {

// The shortest way to write a reference; what is none stays as it is.
std::string ShortName(std::string_view name) {
  const absl::StatusOr<Reference> reference = Reference::Parse(name);
  std::string text = reference.ok() ? reference->Familiar() : std::string(name);
  constexpr std::string_view kLatest = ":latest";
  if (text.ends_with(kLatest)) {
    text.resize(text.size() - kLatest.size());
  }
  return text;
}

}  // namespace

NamedContexts::NamedContexts(const std::map<std::string, v1::ContextSource>& contexts) {
  for (const auto& [name, source] : contexts) {
    if (ToLower(name) != "scratch" && ToLower(name) != "context") {
      by_name_.insert_or_assign(ShortName(name), NamedContext{name, source});
    }
  }
}

const NamedContext* NamedContexts::Find(std::string_view name) const {
  if (by_name_.empty()) {
    return nullptr;
  }
  const auto at = by_name_.find(ShortName(name));
  return at == by_name_.end() ? nullptr : &at->second;
}

}  // namespace zlayer
