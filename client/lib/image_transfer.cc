#include "client/lib/image_transfer.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"

namespace zlayer {
namespace {

constexpr size_t kFrame = size_t{1} << 20;

}  // namespace

absl::StatusOr<v1::ImportImageResponse> ImportImage(
    Connection& connection, const v1::ImportStart& start,
    const std::function<absl::Status(const ByteSink&)>& produce, std::stop_token stop) {
  grpc::ClientContext context;
  CancelOnStop cancel(std::move(stop), &context);
  v1::ImportImageResponse response;
  auto stream = connection.images().ImportImage(&context, &response);
  v1::ImportImageRequest request;
  *request.mutable_start() = start;
  bool open = stream->Write(request);
  absl::Status produced = !open ? absl::OkStatus() : produce([&](std::string_view data) {
    for (; open && !data.empty(); data.remove_prefix(std::min(kFrame, data.size()))) {
      std::string_view frame = data.substr(0, kFrame);
      request.set_data(frame.data(), frame.size());
      open = stream->Write(request);
    }
    return open ? absl::OkStatus() : Cancelled("the daemon ended the import");
  });
  if (open && !produced.ok()) {
    context.TryCancel();
    stream->Finish();
    return produced;
  }
  stream->WritesDone();
  grpc::Status status = stream->Finish();
  if (!status.ok()) {
    return connection.Explain(status);
  }
  return response;
}

ImageExport::ImageExport(Connection& connection, const v1::ExportImageRequest& request,
                         std::stop_token stop)
    : connection_(connection),
      cancel_(std::move(stop), &context_),
      stream_(connection.images().ExportImage(&context_, request)) {}

ImageExport::~ImageExport() {
  if (!ended_) {
    context_.TryCancel();
    stream_->Finish();
  }
}

absl::StatusOr<std::string_view> ImageExport::Next() {
  while (!ended_ && stream_->Read(&response_)) {
    if (!response_.data().empty()) {
      return std::string_view(response_.data());
    }
  }
  if (!std::exchange(ended_, true)) {
    if (grpc::Status status = stream_->Finish(); !status.ok()) {
      return connection_.Explain(status);
    }
  }
  return std::string_view();
}

}  // namespace zlayer
