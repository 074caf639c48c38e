#include "registry/layer/content_ahead.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

constexpr size_t kBlock = size_t{1} << 20;
constexpr size_t kBlocks = 4;

absl::Status Stopped() { return Cancelled("reading a layer's files was stopped"); }

ContentAhead::Entries EntriesOf(const LayerIndex& layer) {
  return [&layer](const std::function<absl::Status(const Entry&)>& each) {
    for (size_t i = 0; i < layer.size(); ++i) {
      RETURN_IF_ERROR(each(layer.At(i)));
    }
    return absl::OkStatus();
  };
}

}  // namespace

bool HasContent(const Entry& entry) {
  return entry.type == EntryType::kFile && entry.hard_link.empty() && entry.size > 0;
}

ContentAhead::ContentAhead(const LayerIndex& layer, const ContentOpener& open, std::stop_token stop)
    : ContentAhead(EntriesOf(layer), layer.content_bytes(), open, std::move(stop)) {}

ContentAhead::ContentAhead(Entries entries, uint64_t bytes, const ContentOpener& open,
                           std::stop_token stop)
    : entries_(std::move(entries)), open_(open), stop_(std::move(stop)) {
  const auto read = [this](std::stop_token end) {
    absl::Status status = ReadAll(end);
    if (!status.ok() && (filling_ || NewBlock(end).ok())) {
      filling_->error = std::move(status);
    }
    Pass();
  };
  if (bytes < kBlock) {
    read(stop_);
  } else {
    reader_ = std::jthread(read);
  }
}

ContentAhead::~ContentAhead() = default;

absl::Status ContentAhead::ReadAll(std::stop_token stop) {
  return entries_([&](const Entry& entry) -> absl::Status {
    if (!HasContent(entry)) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const ContentFile file, open_(entry));
    if (file.size != entry.size) {
      return DataLoss(fmt::format("{} is damaged in the store: it has {} bytes instead of {}",
                                  entry.content.ToString(), file.size, entry.size));
    }
    return ReadOne(file, stop);
  });
}

absl::Status ContentAhead::ReadOne(const ContentFile& file, std::stop_token stop) {
  for (uint64_t done = 0; done < file.size;) {
    if (filling_ && filling_->used == kBlock) {
      Pass();
    }
    if (!filling_) {
      RETURN_IF_ERROR(NewBlock(stop));
    }
    const size_t size = std::min<uint64_t>(file.size - done, kBlock - filling_->used);
    RETURN_IF_ERROR(PreadFully(file.fd->get(), filling_->bytes.get() + filling_->used, size,
                               file.offset + done));
    done += size;
    filling_->parts.push_back({.begin = filling_->used,
                               .size = size,
                               .verified = file.verified,
                               .last = done == file.size});
    filling_->used += size;
  }
  return absl::OkStatus();
}

absl::Status ContentAhead::NewBlock(std::stop_token stop) {
  MutexLock lock(&mutex_);
  if (blocks_ < kBlocks) {
    ++blocks_;
    filling_ = Block{std::make_unique_for_overwrite<char[]>(kBlock), 0, {}, {}};
    return absl::OkStatus();
  }
  if (!changed_.Wait(&mutex_, std::move(stop),
                     [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !empty_.empty(); })) {
    return Stopped();
  }
  filling_ = std::move(empty_.front());
  empty_.pop_front();
  return absl::OkStatus();
}

void ContentAhead::Pass() {
  if (!filling_) {
    return;
  }
  MutexLock lock(&mutex_);
  full_.push_back(*std::move(filling_));
  filling_.reset();
  changed_.NotifyOne();
}

// The part that is next; what the reader ran into where there is none.
absl::StatusOr<const ContentAhead::Part*> ContentAhead::Current() {
  if (taking_ && next_part_ == taking_->parts.size()) {
    RETURN_IF_ERROR(taking_->error);
    Drop();
  }
  if (!taking_) {
    MutexLock lock(&mutex_);
    if (!changed_.Wait(&mutex_, stop_,
                       [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !full_.empty(); })) {
      return Stopped();
    }
    taking_ = std::move(full_.front());
    full_.pop_front();
    next_part_ = 0;
  }
  if (taking_->parts.empty()) {
    return taking_->error;
  }
  return &taking_->parts[next_part_];
}

void ContentAhead::Drop() {
  taking_->used = 0;
  taking_->parts.clear();
  MutexLock lock(&mutex_);
  empty_.push_back(*std::move(taking_));
  taking_.reset();
  changed_.NotifyOne();
}

absl::StatusOr<bool> ContentAhead::NextIsVerified() {
  ASSIGN_OR_RETURN(const Part* part, Current());
  return part->verified;
}

absl::Status ContentAhead::Take(const std::function<absl::Status(std::string_view)>& sink) {
  for (bool last = false; !last;) {
    ASSIGN_OR_RETURN(const Part* part, Current());
    last = part->last;
    ++next_part_;
    RETURN_IF_ERROR(sink({taking_->bytes.get() + part->begin, part->size}));
  }
  return absl::OkStatus();
}

}  // namespace zlayer
