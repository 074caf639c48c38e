#include "backends/native/solver/key.h"

#include <cstdint>

namespace zlayer {
namespace {

// Raised whenever keys of the same operation would mean something else.
constexpr uint64_t kSchema = 2;

// Digests fields, each preceded by its length, so that no two lists of fields are the same bytes.
class FieldDigest {
 public:
  FieldDigest(std::string_view kind, const KeyScope& scope) {
    Add(kSchema);
    Add(kind);
    Add(scope.name_space);
    Add(scope.platform.os());
    Add(scope.platform.architecture());
    Add(scope.platform.variant());
    Add(scope.platform.os_version());
  }
  void Add(std::string_view field) {
    Add(static_cast<uint64_t>(field.size()));
    sha256_.Update(field);
  }
  void Add(uint64_t number) {
    char bytes[8];
    for (int i = 0; i < 8; ++i) {
      bytes[i] = static_cast<char>(number >> (8 * i));
    }
    sha256_.Update({bytes, sizeof(bytes)});
  }
  template <typename List>
  void AddStrings(const List& list) {
    Add(static_cast<uint64_t>(list.size()));
    for (const std::string& field : list) {
      Add(std::string_view(field));
    }
  }
  void AddChain(const std::vector<Digest>& chain) {
    Add(static_cast<uint64_t>(chain.size()));
    for (const Digest& layer : chain) {
      Add(layer.Bytes());
    }
  }
  Digest Finish() { return sha256_.Finish(); }

 private:
  Sha256 sha256_;
};

void AddMount(const MountKey& mount, FieldDigest* key) {
  const v1::Mount& definition = *mount.mount;
  key->Add(static_cast<uint64_t>(definition.type()));
  key->Add(std::string_view(definition.target()));
  key->Add(std::string_view(definition.id()));
  key->Add(uint64_t{definition.read_only()});
  key->Add(definition.size_bytes());
  key->Add(definition.has_mode() ? uint64_t{definition.mode()} : ~uint64_t{0});
  key->Add(uint64_t{definition.uid()});
  key->Add(uint64_t{definition.gid()});
  key->Add(mount.content.Bytes());
}

}  // namespace

Digest KeyOf(const KeyScope& scope, const RunKey& run) {
  FieldDigest key("run", scope);
  key.Add(run.runtime);
  key.AddStrings(run.run->argv());
  key.AddStrings(*run.environment);
  key.Add(std::string_view(run.run->working_directory()));
  key.Add(uint64_t{run.user->uid});
  key.Add(uint64_t{run.user->gid});
  key.Add(uint64_t{run.user->additional_gids.size()});
  for (uint32_t gid : run.user->additional_gids) {
    key.Add(uint64_t{gid});
  }
  key.Add(uint64_t{run.host_network});
  key.Add(std::string_view(run.run->hostname()));
  key.Add(static_cast<uint64_t>(run.run->security()));
  key.Add(uint64_t{run.mounts.size()});
  for (const MountKey& mount : run.mounts) {
    AddMount(mount, &key);
  }
  key.AddChain(*run.chain);
  return key.Finish();
}

Digest FileKey(const KeyScope& scope, const Digest& index_content) {
  FieldDigest key("files", scope);
  key.Add(index_content.Bytes());
  return key.Finish();
}

Digest UnpackKey(const KeyScope& scope, const Digest& index_content, std::string_view archives,
                 const std::vector<Digest>& chain) {
  FieldDigest key("unpack", scope);
  key.Add(index_content.Bytes());
  key.Add(archives);
  key.AddChain(chain);
  return key.Finish();
}

Digest PlanKey(const KeyScope& scope, const v1::Copy& copy,
               const std::vector<std::vector<Digest>>& chains) {
  FieldDigest key("plan", scope);
  key.Add(copy.SerializeAsString());
  key.Add(uint64_t{chains.size()});
  for (const std::vector<Digest>& chain : chains) {
    key.AddChain(chain);
  }
  return key.Finish();
}

}  // namespace zlayer
