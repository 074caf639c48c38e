// A directory of about a hundred entries with every mode, owner, link kind, xattr and odd name.
#ifndef ZLAYER_REGISTRY_LAYER_TESTING_ODD_TREE_H_
#define ZLAYER_REGISTRY_LAYER_TESTING_ODD_TREE_H_

#include <string>

#include "registry/layer/tree.h"

namespace zlayer {

// Whether this process may make such trees (devices, owners, trusted xattrs) in `directory`.
bool CanMakeTrees(const std::string& directory);

// Fills the empty `directory`; fails the test where something cannot be made. Times are whole
// seconds, as in a tar. With `layer`, whiteouts and opaque directories are among the entries.
void MakeOddTree(const std::string& directory, bool layer);

// Opens contents in a tree by path.
ContentOpener TreeOpener(const std::string& directory);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_LAYER_TESTING_ODD_TREE_H_
