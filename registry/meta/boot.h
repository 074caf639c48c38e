// Which boot of the machine this is. Rows whose files are not known to be synced carry it: after a
// power failure the id is another one, and such rows are dropped (see schema.sql).
#ifndef ZLAYER_REGISTRY_META_BOOT_H_
#define ZLAYER_REGISTRY_META_BOOT_H_

#include <string>

namespace zlayer {

// The kernel's boot id. Where the kernel tells none, an id of this process alone: rows then survive
// a restart only once they were synced. Never empty, always the same. Thread-safe.
const std::string& BootId();

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_META_BOOT_H_
