// What refers to a manifest, in registries without the referrers API (distribution-spec 1.1,
// "Referrers Tag Schema", "Pushing Manifests with Subject"): an index under a tag that is made of
// the manifest's digest, which clients keep.
#ifndef ZLAYER_REGISTRY_CLIENT_REFERRERS_TAG_H_
#define ZLAYER_REGISTRY_CLIENT_REFERRERS_TAG_H_

#include <stop_token>
#include <string>
#include <string_view>

#include "registry/client/manifest_calls.h"
#include "registry/client/outcome.h"

namespace zlayer {

// "sha256-<hex>" of the manifest that this one is about; empty where it is about none.
std::string ReferrersTagOf(std::string_view manifest);

// One attempt to have the manifest, which the registry has, in the index under `tag`. Of two
// clients that write at the same time one may undo what the other did, as the specification has it:
// so the index is looked at once more, and the entry added again where it is gone.
// kFailedPrecondition: the tag is taken by something else.
Outcome AddReferrer(const Route& route, const std::string& tag, const ManifestToPut& manifest,
                    std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_REFERRERS_TAG_H_
