#include "daemon/service/context_upload.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/graph/sources.h"
#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "daemon/service/request_check.h"
#include "daemon/service/spool.h"
#include "proto/error_detail.h"
#include "registry/layer/archive.h"

namespace zlayer {
namespace {

using Request = v1::UploadContextRequest;
using Response = v1::UploadContextResponse;

constexpr size_t kWantedPerMessage = 100'000;
constexpr size_t kMaxReason = 500;

absl::Status Unexpected(std::string_view what) {
  return InvalidArgument(fmt::format("{} is out of place in this upload", what));
}

absl::Status FileError(const Entry& file, std::string_view message) {
  v1::ErrorDetail detail;
  detail.set_reason("CONTEXT_FILE");
  detail.set_subject(ToUtf8(file.path));
  return WithDetail(InvalidArgument(fmt::format("{}: {}", ToUtf8(file.path), message)), detail);
}

class ContextReceiver : public ContextUpload {
 public:
  explicit ContextReceiver(const ContextUploadOptions& options)
      : options_(options), work_(options.store->uses().Begin()), entries_(options.limits) {}

  absl::Status Receive(Request& message, std::vector<Response>* replies,
                       std::stop_token stop) override;
  absl::Status End(std::vector<Response>* replies, std::stop_token stop) override;
  bool Done() const override { return state_ == State::kDone; }

 private:
  enum class State { kStart, kTar, kEntries, kContents, kDone };

  absl::Status Start(v1::UploadStart& start);
  absl::Status AppendTar(std::string_view data);
  absl::Status AddEntries(const v1::ContextEntries& message, std::vector<Response>* replies,
                          std::stop_token stop);
  absl::Status Plan(std::stop_token stop);
  absl::Status Count(const std::vector<uint64_t>& files);
  absl::StatusOr<LayerRef> FindLayer(const std::vector<uint64_t>& files) const;
  absl::Status FindWanted(const std::vector<uint64_t>& files);
  void AskForWanted(std::vector<Response>* replies) const;
  absl::Status AddContent(const v1::FileContent& content, std::vector<Response>* replies);
  absl::Status AddContents(const v1::FileContents& contents, std::vector<Response>* replies);
  absl::Status CheckTurn(uint64_t entry) const;
  absl::Status Append(std::string_view data);
  absl::Status EndFile();
  absl::Status StoreEntries(std::vector<Response>* replies);
  absl::Status StoreTar(std::vector<Response>* replies, std::stop_token stop);
  absl::Status Ready(const LayerRef& layer, bool from_tar, std::vector<Response>* replies);

  const ContextUploadOptions options_;
  const Uses::Work work_;  // contents that it is told are stored stay
  State state_ = State::kStart;
  std::string name_space_;
  v1::BuildSpec spec_;
  bool has_spec_ = false;
  std::string context_name_;
  v1::ContextReady counters_;

  std::unique_ptr<Spool> spool_;  // kTar

  ContextEntries entries_;  // kEntries, kContents
  std::vector<uint64_t> wanted_;
  size_t next_wanted_ = 0;
  uint64_t file_bytes_ = 0;  // received of the file under way
  std::unique_ptr<PackWriter> pack_;
};

absl::Status ContextReceiver::AppendTar(std::string_view data) {
  counters_.set_bytes_received(counters_.bytes_received() + data.size());
  const absl::Status kept = spool_->Append(data);
  return absl::IsResourceExhausted(kept) ? ContextTooLarge(Message(kept)) : kept;
}

absl::Status ContextReceiver::Receive(Request& message, std::vector<Response>* replies,
                                      std::stop_token stop) {
  switch (message.message_case()) {
    case Request::kStart:
      return state_ == State::kStart ? Start(*message.mutable_start()) : Unexpected("UploadStart");
    case Request::kTar:
      if (state_ != State::kTar) {
        return Unexpected("TarChunk");
      }
      return AppendTar(message.tar().data());
    case Request::kEntries:
      return state_ == State::kEntries ? AddEntries(message.entries(), replies, std::move(stop))
                                       : Unexpected("ContextEntries");
    case Request::kContent:
      return state_ == State::kContents ? AddContent(message.content(), replies)
                                        : Unexpected("FileContent");
    case Request::kContents:
      return state_ == State::kContents ? AddContents(message.contents(), replies)
                                        : Unexpected("FileContents");
    case Request::MESSAGE_NOT_SET:
      break;
  }
  return Unexpected("a message without content");
}

absl::Status ContextReceiver::End(std::vector<Response>* replies, std::stop_token stop) {
  if (state_ == State::kTar) {
    return StoreTar(replies, std::move(stop));
  }
  return InvalidArgument("the upload of the build context ended before it was complete");
}

absl::Status ContextReceiver::Start(v1::UploadStart& start) {
  ASSIGN_OR_RETURN(name_space_, NamespaceOf(start.namespace_()));
  if (start.has_spec()) {
    RETURN_IF_ERROR(CheckSpec(start.spec()));
    has_spec_ = true;
    spec_ = std::move(*start.mutable_spec());
  }
  context_name_ = start.context_name();
  if (!start.tar()) {
    state_ = State::kEntries;
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(spool_, Spool::Open(options_.store->tmp(), options_.max_bytes));
  state_ = State::kTar;
  return absl::OkStatus();
}

absl::Status ContextReceiver::AddEntries(const v1::ContextEntries& message,
                                         std::vector<Response>* replies, std::stop_token stop) {
  for (const v1::ContextEntry& entry : message.entries()) {
    RETURN_IF_ERROR(entries_.Add(entry));
  }
  if (!message.last()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Plan(std::move(stop)));
  const std::vector<uint64_t> files = entries_.Files();
  RETURN_IF_ERROR(Count(files));
  ASSIGN_OR_RETURN(const LayerRef layer, FindLayer(files));
  if (layer == nullptr) {
    RETURN_IF_ERROR(FindWanted(files));
  }
  AskForWanted(replies);
  state_ = State::kContents;
  if (layer != nullptr) {
    return Ready(layer, false, replies);
  }
  return wanted_.empty() ? StoreEntries(replies) : absl::OkStatus();
}

absl::Status ContextReceiver::Plan(std::stop_token stop) {
  std::shared_ptr<const v1::Graph> graph;
  if (has_spec_) {
    ASSIGN_OR_RETURN(graph, options_.plan(name_space_, spec_, std::move(stop)));
  }
  if (graph == nullptr) {
    entries_.Select(nullptr);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(std::shared_ptr<const LayerIndex> index, entries_.Index());
  std::vector<bool> selected = SelectFromContext(*graph, context_name_, index);
  entries_.Select(&selected);
  return absl::OkStatus();
}

absl::Status ContextReceiver::Count(const std::vector<uint64_t>& files) {
  uint64_t total = 0;
  for (uint64_t i : files) {
    // Sizes are the client's word: their sum must not run over.
    total += std::min(entries_.At(i).size, ~uint64_t{0} - total);
  }
  counters_.set_bytes_selected(total);
  counters_.set_files_selected(files.size());
  if (total > options_.max_bytes) {
    return ContextTooLarge(
        fmt::format("the build selects {} MiB of the context, and {} MiB are the most; leave out "
                    "what the build does not need with .dockerignore",
                    total >> 20, options_.max_bytes >> 20));
  }
  return absl::OkStatus();
}

// Of a context that did not change the store has the layer, and with it all contents. Null where it
// does not.
absl::StatusOr<LayerRef> ContextReceiver::FindLayer(const std::vector<uint64_t>& files) const {
  if (std::any_of(files.begin(), files.end(),
                  [this](uint64_t i) { return entries_.At(i).content.IsNone(); })) {
    return nullptr;
  }
  ASSIGN_OR_RETURN(const std::string index, entries_.Serialize());
  absl::StatusOr<LayerRef> layer = options_.store->layers().Get(Digest::Of(index));
  if (absl::IsNotFound(layer.status())) {
    return nullptr;
  }
  return layer;
}

// A digest that the client claims spares the transfer only where the store's content has the size
// claimed with it.
absl::Status ContextReceiver::FindWanted(const std::vector<uint64_t>& files) {
  std::vector<Digest> digests;
  digests.reserve(files.size());
  for (uint64_t i : files) {
    digests.push_back(entries_.At(i).content);
  }
  ASSIGN_OR_RETURN(const std::vector<std::optional<uint64_t>> stored,
                   options_.store->contents().Sizes(digests));
  for (size_t f = 0; f < files.size(); ++f) {
    const Entry& file = entries_.At(files[f]);
    if (file.content.IsNone() || !stored[f].has_value()) {
      wanted_.push_back(files[f]);
    } else if (*stored[f] != file.size) {
      return FileError(file, "its size does not belong to the SHA-256 sent with it");
    }
  }
  return absl::OkStatus();
}

void ContextReceiver::AskForWanted(std::vector<Response>* replies) const {
  size_t at = 0;
  do {
    v1::Wanted* wanted = replies->emplace_back().mutable_wanted();
    size_t end = std::min(wanted_.size(), at + kWantedPerMessage);
    wanted->mutable_entries()->Add(wanted_.begin() + static_cast<ptrdiff_t>(at),
                                   wanted_.begin() + static_cast<ptrdiff_t>(end));
    wanted->set_last(end == wanted_.size());
    at = end;
  } while (at < wanted_.size());
}

absl::Status ContextReceiver::AddContent(const v1::FileContent& content,
                                         std::vector<Response>* replies) {
  RETURN_IF_ERROR(CheckTurn(content.entry()));
  const Entry& file = entries_.At(content.entry());
  if (!content.error().empty()) {
    return FileError(file, ToUtf8(content.error().substr(0, kMaxReason)));
  }
  if (content.data().size() > file.size - file_bytes_) {
    return FileError(file, "the file grew while it was sent; build again when it is at rest");
  }
  RETURN_IF_ERROR(Append(content.data()));
  if (!content.last()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(EndFile());
  return next_wanted_ == wanted_.size() ? StoreEntries(replies) : absl::OkStatus();
}

absl::Status ContextReceiver::AddContents(const v1::FileContents& contents,
                                          std::vector<Response>* replies) {
  RETURN_IF_ERROR(CheckTurn(contents.first()));
  if (file_bytes_ > 0) {
    return Unexpected("FileContents within a file");
  }
  if (contents.count() > wanted_.size() - next_wanted_) {
    return InvalidArgument(fmt::format("{} contents were sent where {} were due", contents.count(),
                                       wanted_.size() - next_wanted_));
  }
  std::string_view data = contents.data();
  for (uint64_t i = 0; i < contents.count(); ++i) {
    const Entry& file = entries_.At(wanted_[next_wanted_]);
    const std::string_view content = data.substr(0, file.size);
    data.remove_prefix(content.size());
    RETURN_IF_ERROR(Append(content));
    RETURN_IF_ERROR(EndFile());
  }
  if (!data.empty()) {
    return InvalidArgument(
        fmt::format("{} contents were sent with {} bytes too many", contents.count(), data.size()));
  }
  return next_wanted_ == wanted_.size() ? StoreEntries(replies) : absl::OkStatus();
}

// Whether the file at `entry` is the one under way, or the next one.
absl::Status ContextReceiver::CheckTurn(uint64_t entry) const {
  const uint64_t due = wanted_[next_wanted_];
  if (entry == due) {
    return absl::OkStatus();
  }
  return InvalidArgument(
      fmt::format("the content of entry {} was sent where that of entry {} ({}) was due", entry,
                  due, ToUtf8(entries_.At(due).path)));
}

absl::Status ContextReceiver::Append(std::string_view data) {
  if (pack_ == nullptr) {
    ASSIGN_OR_RETURN(pack_, options_.store->contents().NewPack());
  }
  file_bytes_ += data.size();
  counters_.set_bytes_received(counters_.bytes_received() + data.size());
  return pack_->Append(data);
}

absl::Status ContextReceiver::EndFile() {
  const uint64_t position = wanted_[next_wanted_];
  const Entry& file = entries_.At(position);
  if (file_bytes_ != file.size) {
    return FileError(file, "the file shrank while it was sent; build again when it is at rest");
  }
  ASSIGN_OR_RETURN(Digest digest, pack_->End());
  if (!file.content.IsNone() && file.content != digest) {
    return FileError(file, "the file is not what the client digested; it changed meanwhile");
  }
  entries_.SetContent(position, digest);
  file_bytes_ = 0;
  ++next_wanted_;
  return absl::OkStatus();
}

absl::Status ContextReceiver::StoreEntries(std::vector<Response>* replies) {
  if (pack_ != nullptr) {
    RETURN_IF_ERROR(pack_->Commit());
    pack_.reset();
  }
  ASSIGN_OR_RETURN(const std::string index, entries_.Serialize());
  ASSIGN_OR_RETURN(const LayerRef layer, options_.store->layers().Add(index, ""));
  return Ready(layer, false, replies);
}

absl::Status ContextReceiver::StoreTar(std::vector<Response>* replies, std::stop_token stop) {
  absl::StatusOr<StoredArchive> archive =
      StoreArchive(spool_->Content(), &options_.store->contents(), std::move(stop));
  if (!archive.ok()) {
    return Annotate(archive.status(), "the build context");
  }
  counters_.set_files_selected(archive->entries);
  counters_.set_bytes_selected(archive->tar_size);
  ASSIGN_OR_RETURN(const LayerRef layer, options_.store->layers().Add(archive->index, ""));
  return Ready(layer, true, replies);
}

absl::Status ContextReceiver::Ready(const LayerRef& layer, bool from_tar,
                                    std::vector<Response>* replies) {
  ASSIGN_OR_RETURN(StoredContext context,
                   options_.store->contexts().Put(name_space_, layer->id(), from_tar));
  counters_.set_context_id(context.id);
  *replies->emplace_back().mutable_ready() = counters_;
  state_ = State::kDone;
  return absl::OkStatus();
}

}  // namespace

std::unique_ptr<ContextUpload> MakeContextUpload(const ContextUploadOptions& options) {
  return std::make_unique<ContextReceiver>(options);
}

}  // namespace zlayer
