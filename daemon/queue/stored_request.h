// What the queue keeps of a request, and what it shows of it. Pure functions.
#ifndef ZLAYER_DAEMON_QUEUE_STORED_REQUEST_H_
#define ZLAYER_DAEMON_QUEUE_STORED_REQUEST_H_

#include <map>
#include <string>
#include <vector>

#include "base/digest.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

struct StoredRequest {
  v1::SubmitBuildRequest request;  // without secrets and credentials; with its namespace
  bool needs_secrets = false;      // it had some
  // Of the original: equal for requests that differ at most in values of secrets, passwords and
  // tokens. Depends neither on the order of map entries nor on the process.
  Digest digest;
  // The same, but blind to which contexts were uploaded, except for their names.
  Digest digest_without_contexts;
};

StoredRequest ToStored(v1::SubmitBuildRequest request);

// Ids of the uploaded contexts that the request names, each once. They have no comma.
std::vector<std::string> UploadedContexts(const v1::SubmitBuildRequest& request);
// Equal for requests that differ at most in the ids of contexts whose content is the same.
// `contents` has the name of each uploaded context and what tells its content from any other.
Digest ContentDigest(const StoredRequest& request,
                     const std::map<std::string, std::string>& contents);

// What listings show of a request: title and tags.
v1::BuildStatus SummaryOf(const v1::BuildSpec& spec);

// What is built, in one line: the first tag, or the build file and target.
std::string TitleOf(const v1::BuildSpec& spec);

// Which builds one is compared with to say what changed: those of the same build file and target
// for the same repositories, whatever the tag. Without tags they may be of another project.
std::vector<std::string> HistoriesOf(const v1::BuildSpec& spec);

}  // namespace zlayer

#endif  // ZLAYER_DAEMON_QUEUE_STORED_REQUEST_H_
