#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

struct Options {
  std::vector<std::string> references;
  bool force = false;
};

absl::Status RemoveOne(Session& session, Connection& connection, const std::string& reference,
                       bool force) {
  v1::RemoveImageRequest request;
  request.set_namespace_(session.name_space());
  request.set_reference(reference);
  request.set_force(force);
  ASSIGN_OR_RETURN(
      v1::RemoveImageResponse response,
      Call(connection, connection.images(), &v1::ImageService::StubInterface::RemoveImage, request,
           kCallTimeout, session.stop()));
  for (const std::string& name : response.untagged()) {
    Print(fmt::format("untagged {}\n", name));
  }
  if (!response.removed().empty()) {
    Print(fmt::format("removed {}\n", response.removed()));
  }
  return absl::OkStatus();
}

// What is true of all that follows, too.
bool IsFinal(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status) ||
         absl::IsDeadlineExceeded(status);
}

// Goes on after an image that cannot be removed.
absl::Status Remove(Session& session, const Options& options) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  absl::Status first;
  std::vector<std::string> failures;
  for (const std::string& reference : options.references) {
    absl::Status removed = RemoveOne(session, *connection, reference, options.force);
    if (IsFinal(removed)) {
      return removed;
    }
    if (!removed.ok()) {
      failures.emplace_back(Message(removed));
      first.Update(removed);
    }
  }
  if (failures.size() < 2) {
    return first;
  }
  return absl::Status(first.code(), fmt::format("{} of {} were not removed: {}", failures.size(),
                                                options.references.size(), Join(failures, "; ")));
}

}  // namespace

void AddRemoveCommand(Command& root) {
  Command remove = root.Sub("rmi", "Remove names of images; an image goes with its last",
                            "zlayer rmi app:1 app:2");
  auto options = std::make_shared<Options>();
  remove.Arguments({"REF", "", "Reference or digest of an image"}, &options->references)
      .Flag({"-f,--force", "", "By digest: whatever names the image has"}, &options->force);
  remove.Run([options](Session& session) { return Remove(session, *options); });
}

}  // namespace zlayer
