// Which rows of the database stand on files that a power failure can no longer damage.
//
// Files are not synced when they are written. A row that stands on some carries the id of the boot
// that wrote it until a sync of the whole filesystem that began after the row was there.
#ifndef ZLAYER_REGISTRY_DURABILITY_H_
#define ZLAYER_REGISTRY_DURABILITY_H_

#include <absl/status/status.h>

#include <functional>
#include <string>

#include "registry/meta/database.h"

namespace zlayer {

// Calls `sync`, which brings all files written so far to the disk, and marks the rows that were
// there before. Nothing happens where all rows are marked.
absl::Status MarkSynced(Database* database, const std::function<absl::Status()>& sync);

// For the start: drops the rows that another boot wrote and that were never marked, and all that
// stands on them: images, cache records, contexts. The dropped layers' trees go to `root`/tmp, to
// be removed later, their indexes at once. What remains is whole.
absl::Status DropUnsynced(const std::string& root, Database* database);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_DURABILITY_H_
