#include "daemon/build/remote_context.h"

#include <string>

#include "base/errors.h"
#include "base/status_macros.h"
#include "registry/layer/archive.h"

namespace zlayer {
namespace {

absl::StatusOr<LayerRef> Unpack(Store& store, const ContentFile& file, std::stop_token stop) {
  const absl::StatusOr<StoredArchive> archive =
      StoreArchive(file, &store.contents(), std::move(stop));
  RETURN_IF_ERROR(Annotate(archive.status(), "the build context"));
  return store.layers().Add(archive->index, "");
}

}  // namespace

bool HasRemoteContext(const v1::BuildSpec& spec) {
  auto main = spec.contexts().find("");
  return main != spec.contexts().end() && (main->second.has_git() || main->second.has_http());
}

absl::StatusOr<RemoteContext> FetchContext(Store& store, RemoteSources& remote,
                                           const v1::ContextSource& source,
                                           const FetchScope& scope) {
  RemoteContext context;
  if (source.has_git()) {
    ASSIGN_OR_RETURN(context.layer, remote.Git(source.git(), scope));
    return context;
  }
  ASSIGN_OR_RETURN(context.layer, remote.Http(source.http(), kFetchedFile, scope));
  ASSIGN_OR_RETURN(const ContentFile file,
                   store.layers().OpenContent(*context.layer, context.layer->At(0)));
  context.is_one_file = !IsArchive(file);
  if (!context.is_one_file) {
    ASSIGN_OR_RETURN(context.layer, Unpack(store, file, scope.stop));
  }
  return context;
}

}  // namespace zlayer
