#include "backends/native/solver/key.h"

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/field_digest.h"

namespace zlayer {
namespace {

// Raised whenever keys of the same operation would mean something else.
constexpr uint64_t kSchema = 2;

FieldDigest KeyFor(std::string_view kind, const KeyScope& scope) {
  FieldDigest key;
  key.Add(kSchema);
  key.Add(kind);
  key.Add(scope.name_space);
  key.Add(std::string_view(scope.platform.os()));
  key.Add(std::string_view(scope.platform.architecture()));
  key.Add(std::string_view(scope.platform.variant()));
  key.Add(std::string_view(scope.platform.os_version()));
  return key;
}

void AddChain(const std::vector<Digest>& chain, FieldDigest* key) {
  key->Add(static_cast<uint64_t>(chain.size()));
  for (const Digest& layer : chain) {
    key->Add(layer.Bytes());
  }
}

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
  FieldDigest key = KeyFor("run", scope);
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
  AddChain(*run.chain, &key);
  return key.Finish();
}

Digest FileKey(const KeyScope& scope, const Digest& index_content) {
  FieldDigest key = KeyFor("files", scope);
  key.Add(index_content.Bytes());
  return key.Finish();
}

Digest PlanKey(const KeyScope& scope, const v1::Copy& copy,
               const std::vector<std::vector<Digest>>& chains) {
  FieldDigest key = KeyFor("plan", scope);
  key.Add(copy.SerializeAsString());
  key.Add(uint64_t{chains.size()});
  for (const std::vector<Digest>& chain : chains) {
    AddChain(chain, &key);
  }
  return key.Finish();
}

}  // namespace zlayer
