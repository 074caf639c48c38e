// One UploadContext call: writes on the caller's thread, reads on its own, since the daemon may ask
// for files while the index is still on its way.
#ifndef ZLAYER_CLIENT_LIB_UPLOAD_STREAM_H_
#define ZLAYER_CLIENT_LIB_UPLOAD_STREAM_H_

#include <absl/status/statusor.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

#include "base/mutex.h"
#include "client/lib/connection.h"
#include "zlayer/v1/build.pb.h"

namespace zlayer {

// To be used by one thread. Destruction cancels a call that was not finished.
class UploadStream {
 public:
  // `connection` must outlive the stream. A requested `stop` cancels the call.
  UploadStream(Connection& connection, std::stop_token stop);
  ~UploadStream();

  // False where the call has ended: Finish says why.
  bool Write(const v1::UploadContextRequest& request);

  // The next file that is wanted; nullopt after the last, or where the call has ended.
  std::optional<uint64_t> NextWanted();

  // Half-closes and waits for the end of the call: the daemon's answer, or why there is none.
  absl::StatusOr<v1::ContextReady> Finish();

 private:
  void ReadAll();

  Connection& connection_;
  grpc::ClientContext context_;
  CancelOnStop cancel_;
  std::unique_ptr<
      grpc::ClientReaderWriterInterface<v1::UploadContextRequest, v1::UploadContextResponse>>
      stream_;

  Mutex mutex_;
  CondVar changed_;
  std::deque<uint64_t> wanted_ ABSL_GUARDED_BY(mutex_);
  bool all_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<v1::ContextReady> ready_ ABSL_GUARDED_BY(mutex_);
  bool finished_ = false;

  std::jthread reader_;  // last: it uses all of the above
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_LIB_UPLOAD_STREAM_H_
