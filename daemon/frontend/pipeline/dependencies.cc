#include "daemon/frontend/pipeline/dependencies.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/errors.h"
#include "base/strings.h"
#include "base/suggest.h"
#include "proto/error_detail.h"

namespace zlayer {
namespace {

using Indexes = std::map<std::string, size_t, std::less<>>;

std::vector<std::string> NamesOf(const std::vector<PipelineNode>& images) {
  std::vector<std::string> names;
  for (const PipelineNode& image : images) {
    names.push_back(image.name);
  }
  return names;
}

Indexes IndexesOf(const std::vector<PipelineNode>& images) {
  Indexes indexes;
  for (size_t i = 0; i < images.size(); ++i) {
    indexes.emplace(images[i].name, i);
  }
  return indexes;
}

std::optional<DependencyError> FindBadName(const std::vector<PipelineNode>& images) {
  Indexes seen;
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string& name = images[i].name;
    if (!IsPipelineImageName(name)) {
      return DependencyError{
          "INVALID_OPTION",
          i,
          fmt::format("\"{}\" cannot name an image: a name has no white space, comma or control "
                      "character, and is not empty",
                      ToUtf8(name)),
          {}};
    }
    if (!seen.emplace(name, i).second) {
      return DependencyError{
          "INVALID_OPTION", i, fmt::format("there are two images \"{}\"", name), {}};
    }
  }
  return std::nullopt;
}

std::optional<DependencyError> FindUnknown(const std::vector<PipelineNode>& images,
                                           const Indexes& indexes) {
  for (size_t i = 0; i < images.size(); ++i) {
    for (const std::string& name : images[i].depends_on) {
      if (!indexes.contains(name)) {
        return DependencyError{
            "UNKNOWN_DEPENDENCY",
            i,
            fmt::format("\"{}\" depends on \"{}\", which is no image of the "
                        "pipeline{}",
                        images[i].name, ToUtf8(name), Suggestion(name, NamesOf(images))),
            {}};
      }
    }
  }
  return std::nullopt;
}

// Looks for a way from an image back to itself, depth first.
class CircleFinder {
 public:
  CircleFinder(const std::vector<PipelineNode>& images, const Indexes& indexes)
      : images_(images), indexes_(indexes), states_(images.size(), State::kNew) {}

  std::optional<DependencyError> Find() {
    for (size_t i = 0; i < images_.size(); ++i) {
      if (Visit(i)) {
        return DependencyError{
            "CIRCULAR_DEPENDENCY", indexes_.find(circle_.front())->second,
            fmt::format("the images depend on each other in a circle: {}", Join(circle_, " -> ")),
            circle_};
      }
    }
    return std::nullopt;
  }

 private:
  enum class State { kNew, kOnPath, kDone };

  // As deep as there are images, of which there are at most some thousand.
  bool Visit(size_t image) {
    if (states_[image] == State::kOnPath) {
      path_.erase(path_.begin(), std::find(path_.begin(), path_.end(), images_[image].name));
      circle_ = path_;
      circle_.push_back(images_[image].name);
      return true;
    }
    if (states_[image] == State::kDone) {
      return false;
    }
    states_[image] = State::kOnPath;
    path_.push_back(images_[image].name);
    for (const std::string& name : images_[image].depends_on) {
      if (Visit(indexes_.find(name)->second)) {
        return true;
      }
    }
    path_.pop_back();
    states_[image] = State::kDone;
    return false;
  }

  const std::vector<PipelineNode>& images_;
  const Indexes& indexes_;
  std::vector<State> states_;
  std::vector<std::string> path_;
  std::vector<std::string> circle_;
};

}  // namespace

bool IsPipelineImageName(std::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7f || c == ',';
  });
}

std::optional<DependencyError> FindDependencyError(const std::vector<PipelineNode>& images) {
  if (std::optional<DependencyError> error = FindBadName(images)) {
    return error;
  }
  const Indexes indexes = IndexesOf(images);
  if (std::optional<DependencyError> error = FindUnknown(images, indexes)) {
    return error;
  }
  return CircleFinder(images, indexes).Find();
}

absl::Status ToStatus(const DependencyError& error, const std::vector<PipelineNode>& images) {
  v1::ErrorDetail detail;
  detail.set_reason(error.reason);
  detail.set_subject(ToUtf8(images[error.image].name));
  detail.mutable_items()->Assign(error.items.begin(), error.items.end());
  return WithDetail(InvalidArgument(error.message), detail);
}

absl::StatusOr<std::vector<bool>> SelectWithDependencies(const std::vector<PipelineNode>& images,
                                                         const std::vector<std::string>& names) {
  const Indexes indexes = IndexesOf(images);
  std::vector<bool> selected(images.size());
  std::vector<size_t> open;
  for (const std::string& name : names) {
    auto image = indexes.find(name);
    if (image == indexes.end()) {
      const std::string suggestion = Suggestion(name, NamesOf(images));
      return InvalidArgument(fmt::format(
          "\"{}\" is no image of the pipeline{}", ToUtf8(name),
          suggestion.empty() ? fmt::format("; its images are {}", Join(NamesOf(images), ", "))
                             : suggestion));
    }
    open.push_back(image->second);
  }
  while (!open.empty()) {
    const size_t image = open.back();
    open.pop_back();
    if (selected[image]) {
      continue;
    }
    selected[image] = true;
    for (const std::string& name : images[image].depends_on) {
      open.push_back(indexes.find(name)->second);
    }
  }
  return selected;
}

}  // namespace zlayer
