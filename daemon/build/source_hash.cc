#include "daemon/build/source_hash.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/graph/sources.h"
#include "backends/graph/validate.h"
#include "base/status_macros.h"
#include "base/url_text.h"
#include "daemon/build/outputs.h"

namespace zlayer {
namespace {

// Raised whenever the same sources would make another image.
constexpr std::string_view kVersion = "sources 1";

// Digests fields, each preceded by its length.
class FieldDigest {
 public:
  void Add(std::string_view field) {
    Add(field.size());
    sha256_.Update(field);
  }
  void Add(uint64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) {
      bytes[i] = static_cast<char>(number >> (8 * i));
    }
    sha256_.Update({bytes, sizeof(bytes)});
  }
  template <typename Map>
  void AddMap(const Map& map) {
    Add(static_cast<uint64_t>(map.size()));
    for (const auto& [key, value] : map) {
      Add(std::string_view(key));
      Add(std::string_view(value));
    }
  }
  Digest Finish() { return sha256_.Finish(); }

 private:
  Sha256 sha256_;
};

// Where an instruction stands in its file, and which proxy it uses, shows in no image.
std::string TextOf(v1::Graph graph) {
  for (v1::Stage& stage : *graph.mutable_stages()) {
    for (v1::Operation& operation : *stage.mutable_operations()) {
      operation.clear_source();
      if (operation.has_run()) {
        operation.mutable_run()->clear_proxy_env();
      }
    }
  }
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    graph.SerializeToCodedStream(&coded);
  }
  return bytes;
}

void AddEntry(const Entry& entry, FieldDigest* digest) {
  digest->Add(std::string_view(entry.path));
  digest->Add(static_cast<uint64_t>(entry.type));
  digest->Add(uint64_t{entry.mode});
  digest->Add(entry.device);
  digest->Add(std::string_view(entry.link_target));
  digest->Add(std::string_view(entry.hard_link));
  digest->AddMap(entry.xattrs);
  if (entry.type == EntryType::kFile) {
    digest->Add(entry.size);
    digest->Add(entry.content.Bytes());
  }
}

absl::Status AddContext(const BuildSources& sources, const v1::Graph& graph,
                        const std::string& name, FieldDigest* digest) {
  ASSIGN_OR_RETURN(const StoredContext stored,
                   sources.store->contexts().Get(sources.name_space, sources.contexts.at(name)));
  ASSIGN_OR_RETURN(const LayerRef layer, sources.store->layers().Get(stored.layer));
  const std::vector<bool> selected = SelectFromContext(graph, name, layer);
  digest->Add(std::string_view(name));
  digest->Add(static_cast<uint64_t>(std::count(selected.begin(), selected.end(), true)));
  for (size_t i = 0; i < selected.size(); ++i) {
    if (selected[i]) {
      AddEntry(layer->At(i), digest);
    }
  }
  return absl::OkStatus();
}

void AddOptions(const v1::BuildSpec& spec, FieldDigest* digest) {
  digest->AddMap(
      std::map<std::string, std::string>(spec.annotations().begin(), spec.annotations().end()));
  digest->Add(uint64_t{spec.squash()});
  digest->Add(uint64_t{!spec.has_layers() || spec.layers()});
  digest->Add(spec.format() == "docker" ? std::string_view("docker") : "oci");
  const absl::StatusOr<ImageOutput> output = ImageOutputOf(spec);
  digest->Add(uint64_t{output.ok() && output->rewrites_timestamps});
}

bool IsCommit(std::string_view ref) {
  return (ref.size() == 40 || ref.size() == 64) &&
         ref.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::optional<std::string> Unpinned(const v1::Input& input) {
  if (input.has_http() && input.http().checksum().empty()) {
    return WithoutUrlCredentials(input.http().url());
  }
  if (input.has_git() && !IsCommit(input.git().ref()) && !IsCommit(input.git().checksum())) {
    return WithoutUrlCredentials(input.git().url());
  }
  return std::nullopt;
}

// The first download of a stage that is needed which may have changed since.
std::optional<std::string> FindUnpinned(const v1::Graph& graph) {
  const std::vector<bool> needed = NeededStages(graph);
  std::optional<std::string> found;
  for (int i = 0; i < graph.stages_size(); ++i) {
    for (const v1::Operation& operation : graph.stages(i).operations()) {
      for (const v1::Copy::Source& source : operation.copy().sources()) {
        found = found.has_value() || !needed[i] ? found : Unpinned(source.from());
      }
      for (const v1::Mount& mount : operation.run().mounts()) {
        found = found.has_value() || !needed[i] ? found : Unpinned(mount.from());
      }
    }
  }
  return found;
}

}  // namespace

absl::StatusOr<SourceHash> SourceHashOf(const BuildSources& sources, const v1::BuildSpec& spec,
                                        const v1::Graph& graph) {
  FieldDigest digest;
  digest.Add(kVersion);
  digest.Add(std::string_view(TextOf(graph)));
  AddOptions(spec, &digest);
  for (const auto& context : sources.contexts) {
    RETURN_IF_ERROR(AddContext(sources, graph, context.first, &digest));
  }
  return SourceHash{digest.Finish(), FindUnpinned(graph)};
}

}  // namespace zlayer
