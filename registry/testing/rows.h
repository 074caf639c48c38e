// Rows of the metadata database, for tests that need some to be there.
#ifndef ZLAYER_REGISTRY_TESTING_ROWS_H_
#define ZLAYER_REGISTRY_TESTING_ROWS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/status_macros.h"
#include "registry/meta/database.h"

namespace zlayer {

inline absl::Status InsertLayer(Database& database, const Digest& id, std::string_view boot = "",
                                int64_t tree = 0) {
  return database.Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement insert,
                     connection.Prepare("INSERT INTO layers (id, tree, content_bytes, created, "
                                        "boot) VALUES (?, nullif(?, 0), 0, 0, ?)"));
    return insert.BindDigest(1, id).Bind(2, tree).BindText(3, boot).Run();
  });
}

inline absl::Status InsertImage(Database& database, const Digest& manifest,
                                const std::vector<Digest>& layers, std::string_view boot = "") {
  return database.Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement image,
                     connection.Prepare("INSERT INTO images (manifest, config, created, size, "
                                        "boot) VALUES (?1, ?1, 0, 0, ?2)"));
    RETURN_IF_ERROR(image.BindDigest(1, manifest).BindText(2, boot).Run());
    ASSIGN_OR_RETURN(Statement layer,
                     connection.Prepare("INSERT INTO image_layers (manifest, position, layer, "
                                        "digest, size, media_type) VALUES (?1, ?2, ?3, ?3, 0, "
                                        "'')"));
    for (size_t i = 0; i < layers.size(); ++i) {
      layer.BindDigest(1, manifest).Bind(2, static_cast<int64_t>(i)).BindDigest(3, layers[i]);
      RETURN_IF_ERROR(layer.Run());
    }
    return absl::OkStatus();
  });
}

inline absl::Status InsertPack(Database& database, int64_t id, std::string_view boot = "") {
  return database.Write([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement insert, connection.Prepare("INSERT INTO packs (id, size, boot) "
                                                          "VALUES (?, 0, ?)"));
    return insert.Bind(1, id).BindText(2, boot).Run();
  });
}

// The first column of all rows of `sql`, as text.
inline absl::StatusOr<std::vector<std::string>> Query(Database& database, std::string_view sql) {
  std::vector<std::string> values;
  RETURN_IF_ERROR(database.Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(Statement rows, connection.Prepare(sql));
    while (true) {
      ASSIGN_OR_RETURN(bool more, rows.Step());
      if (!more) {
        return absl::OkStatus();
      }
      values.emplace_back(rows.Text(0));
    }
  }));
  return values;
}

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_TESTING_ROWS_H_
