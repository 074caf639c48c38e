// Keys of the build cache: digests of an operation's definition and of exactly what it reads. Times
// are in no key.
#ifndef ZLAYER_BACKENDS_NATIVE_SOLVER_KEY_H_
#define ZLAYER_BACKENDS_NATIVE_SOLVER_KEY_H_

#include <string>
#include <string_view>
#include <vector>

#include "backends/native/file/owner.h"
#include "base/digest.h"
#include "zlayer/v1/graph.pb.h"

namespace zlayer {

// What every key of a stage begins with: work is shared only within a namespace and platform.
struct KeyScope {
  std::string name_space;
  v1::Platform platform;
};

// A mount of a RUN. Of a cache mount nothing but how it begins is in a key, and not how it is
// shared.
struct MountKey {
  const v1::Mount* mount = nullptr;
  // Of exactly what is mounted, or begun with, without times; none without a source.
  Digest content;
};

// A RUN on exactly this chain of layers (lowest first). `environment` and `user` are what the
// process gets; `runtime` is the executor's version.
struct RunKey {
  const v1::Run* run = nullptr;
  const std::vector<std::string>* environment = nullptr;
  const ProcessUser* user = nullptr;
  bool host_network = false;
  std::vector<MountKey> mounts;
  std::string_view runtime;
  const std::vector<Digest>* chain = nullptr;
};
Digest KeyOf(const KeyScope& scope, const RunKey& run);

// A file operation by what it makes: the digest of its index without times, which holds everything
// that it took from its sources, entries of archives that it unpacks included, and all that it
// looked at in the layers below. It is therefore found again over a base that changed elsewhere.
Digest FileKey(const KeyScope& scope, const Digest& index_content);

// What a COPY is planned from: its definition, and the layers of what it stands on and of what it
// reads, lowest first. No record has it as its key: it only says that a plan was made before.
Digest PlanKey(const KeyScope& scope, const v1::Copy& copy,
               const std::vector<std::vector<Digest>>& chains);

}  // namespace zlayer

#endif  // ZLAYER_BACKENDS_NATIVE_SOLVER_KEY_H_
