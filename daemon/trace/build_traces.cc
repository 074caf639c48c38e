#include "daemon/trace/build_traces.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>
#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <thread>
#include <utility>

#include "base/errors.h"
#include "base/files.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "base/unique_fd.h"

namespace zlayer {
namespace {

using google::protobuf::io::CodedOutputStream;
using google::protobuf::util::TimeUtil;

constexpr size_t kMaxSubject = 100;
// Of kMaxSpans, whatever is in them.
constexpr size_t kMaxFile = BuildTraces::kMaxSpans * (kMaxSubject + 100);

void Append(const v1::Span& span, std::string* bytes) {
  std::array<uint8_t, 5> length;
  const uint8_t* end = CodedOutputStream::WriteVarint32ToArray(
      static_cast<uint32_t>(span.ByteSizeLong()), length.data());
  bytes->append(reinterpret_cast<const char*>(length.data()),
                static_cast<size_t>(end - length.data()));
  span.AppendToString(bytes);
}

}  // namespace

// Keeps spans encoded, which is a tenth of their size as objects.
class SpanRecorder : public SpanSink {
 public:
  explicit SpanRecorder(const Clock* clock) : wall_ns_(clock->NowNs() - MonotonicNs()) {}

  void Add(std::string_view name, std::string_view subject, int64_t begin_ns,
           int64_t end_ns) override {
    std::string text = ToUtf8(CutUtf8(subject, kMaxSubject));
    MutexLock lock(&mutex_);
    if (count_ >= BuildTraces::kMaxSpans) {
      ++dropped_;
      dropped_begin_ns_ = std::min(dropped_begin_ns_, begin_ns);
      dropped_end_ns_ = std::max(dropped_end_ns_, end_ns);
      return;
    }
    ++count_;
    Fill(name, std::move(text), begin_ns, end_ns);
    // Lanes are numbered in the order in which threads first report.
    span_.set_lane(lanes_.try_emplace(std::this_thread::get_id(), lanes_.size()).first->second);
    Append(span_, &bytes_);
  }

  std::string Encoded() {
    MutexLock lock(&mutex_);
    std::string bytes = bytes_;
    if (dropped_ > 0) {
      Fill("dropped", fmt::format("{} further spans", dropped_), dropped_begin_ns_,
           dropped_end_ns_);
      span_.set_lane(static_cast<uint32_t>(lanes_.size()));
      Append(span_, &bytes);
    }
    return bytes;
  }

 private:
  void Fill(std::string_view name, std::string subject, int64_t begin_ns, int64_t end_ns)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    span_.set_name(std::string(name));
    span_.set_subject(std::move(subject));
    *span_.mutable_begin() = TimeUtil::NanosecondsToTimestamp(wall_ns_ + begin_ns);
    *span_.mutable_duration() = TimeUtil::NanosecondsToDuration(end_ns - begin_ns);
  }

  const int64_t wall_ns_;  // of the monotonic clock's zero

  Mutex mutex_;
  v1::Span span_ ABSL_GUARDED_BY(mutex_);  // used again, so that it need not be made
  std::string bytes_ ABSL_GUARDED_BY(mutex_);
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::thread::id, uint32_t> lanes_ ABSL_GUARDED_BY(mutex_);
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t dropped_begin_ns_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<int64_t>::max();
  int64_t dropped_end_ns_ ABSL_GUARDED_BY(mutex_) = 0;
};

BuildTraces::BuildTraces(std::string directory, const Clock* clock)
    : directory_(std::move(directory)), clock_(clock) {}

BuildTraces::~BuildTraces() = default;

std::string BuildTraces::File(const std::string& build_id) const {
  return fmt::format("{}/{}/trace", directory_, build_id);
}

std::shared_ptr<SpanSink> BuildTraces::Begin(const std::string& build_id) {
  auto recorder = std::make_shared<SpanRecorder>(clock_);
  MutexLock lock(&mutex_);
  running_[build_id] = recorder;
  return recorder;
}

void BuildTraces::End(const std::string& build_id) {
  std::shared_ptr<SpanRecorder> recorder;
  {
    MutexLock lock(&mutex_);
    recorder = running_[build_id];
  }
  if (recorder != nullptr) {
    const std::string path = File(build_id);
    absl::StatusOr<UniqueFd> file = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const absl::Status written =
        file.ok() ? WriteFully(file->get(), recorder->Encoded()) : file.status();
    if (!written.ok()) {
      unlink(path.c_str());
      Log(LogModule::kBuild)
          .Warn("a build's trace could not be kept", {{"build", build_id}, {"error", written}});
    }
  }
  // Not before the file is there: who asks meanwhile finds one or the other.
  MutexLock lock(&mutex_);
  running_.erase(build_id);
}

absl::StatusOr<std::string> BuildTraces::Read(const std::string& build_id) {
  std::shared_ptr<SpanRecorder> recorder;
  {
    MutexLock lock(&mutex_);
    if (auto running = running_.find(build_id); running != running_.end()) {
      recorder = running->second;
    }
  }
  if (recorder != nullptr) {
    return recorder->Encoded();
  }
  absl::StatusOr<std::string> bytes = ReadFile(File(build_id), kMaxFile);
  return absl::IsNotFound(bytes.status())
             ? NotFound(fmt::format("build {} has no trace: it ended before it began, or was made "
                                    "by a daemon that kept none",
                                    build_id))
             : bytes;
}

absl::Status ForEachSpan(std::string_view encoded,
                         const std::function<absl::Status(v1::Span)>& sink) {
  google::protobuf::io::ArrayInputStream input(encoded.data(), static_cast<int>(encoded.size()));
  while (true) {
    v1::Span span;
    if (!google::protobuf::util::ParseDelimitedFromZeroCopyStream(&span, &input, nullptr)) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(sink(std::move(span)));
  }
}

}  // namespace zlayer
