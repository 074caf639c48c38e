#include "registry/compress/block_compressor.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/mutex.h"
#include "base/status_macros.h"

namespace zlayer {
namespace {

absl::Status Stopped() { return Cancelled("the compression was stopped"); }

struct Block {
  const std::unique_ptr<char[]> in = std::make_unique_for_overwrite<char[]>(kBlockSize);
  const std::unique_ptr<char[]> out = std::make_unique_for_overwrite<char[]>(kMaxCompressedBlock);
  size_t size = 0;  // of what is in `in`
  // Written by the thread that compresses it, read once it is `done`.
  absl::StatusOr<CompressedBlock> result;
  bool done = false;  // guarded by the compressor's mutex
};

class BlockCompressor : public Compressor {
 public:
  using Sink = std::function<absl::Status(std::string_view)>;

  BlockCompressor(BlockFormat format, size_t threads, Sink sink, std::stop_token stop)
      : format_(std::move(format)),
        max_threads_(threads),
        sink_(std::move(sink)),
        stop_(std::move(stop)) {}

  absl::Status Append(std::string_view data) override {
    if (status_.ok()) {
      status_ = stop_.stop_requested() ? Stopped() : AppendBlocks(data);
    }
    return status_;
  }

  absl::Status Finish() override {
    if (status_.ok()) {
      status_ = stop_.stop_requested() ? Stopped() : FinishBlocks();
    }
    return status_;
  }

 private:
  absl::Status AppendBlocks(std::string_view data) {
    while (!data.empty()) {
      if (filling_ == nullptr) {
        filling_ = EmptyBlock();
      }
      const size_t part = std::min(data.size(), kBlockSize - filling_->size);
      std::memcpy(filling_->in.get() + filling_->size, data.data(), part);
      filling_->size += part;
      data.remove_prefix(part);
      if (filling_->size == kBlockSize) {
        RETURN_IF_ERROR(Submit(std::move(filling_)));
        RETURN_IF_ERROR(WriteDone(2 * max_threads_));
      }
    }
    return absl::OkStatus();
  }

  absl::Status FinishBlocks() {
    if (filling_ != nullptr) {
      RETURN_IF_ERROR(Submit(std::move(filling_)));
    } else if (!begun_) {
      RETURN_IF_ERROR(Submit(EmptyBlock()));
    }
    RETURN_IF_ERROR(WriteDone(0));
    return Put(format_.trailer(crc_, size_));
  }

  std::unique_ptr<Block> EmptyBlock() {
    if (free_.empty()) {
      return std::make_unique<Block>();
    }
    std::unique_ptr<Block> block = std::move(free_.back());
    free_.pop_back();
    block->size = 0;
    block->done = false;
    return block;
  }

  absl::Status Submit(std::unique_ptr<Block> block) {
    if (!begun_) {
      begun_ = true;
      RETURN_IF_ERROR(Put(format_.header));
    }
    if (threads_.size() < max_threads_) {
      ASSIGN_OR_RETURN(std::shared_ptr<BlockCodec> codec, format_.make_codec());
      threads_.emplace_back([this, codec](std::stop_token stop) { Work(codec.get(), stop); });
    }
    {
      MutexLock lock(&mutex_);
      waiting_.push_back(block.get());
    }
    under_way_.push_back(std::move(block));
    has_waiting_.NotifyOne();
    return absl::OkStatus();
  }

  // Writes what is done, in order, and waits until at most `leave` blocks are under way.
  absl::Status WriteDone(size_t leave) {
    while (!under_way_.empty()) {
      Block* const oldest = under_way_.front().get();
      {
        MutexLock lock(&mutex_);
        if (!oldest->done && under_way_.size() <= leave) {
          return absl::OkStatus();
        }
        if (!block_done_.Wait(&mutex_, stop_, [oldest] { return oldest->done; })) {
          return Stopped();
        }
      }
      RETURN_IF_ERROR(Write(*oldest));
      free_.push_back(std::move(under_way_.front()));
      under_way_.pop_front();
    }
    return absl::OkStatus();
  }

  absl::Status Write(const Block& block) {
    ASSIGN_OR_RETURN(const CompressedBlock compressed, block.result);
    crc_ = static_cast<uint32_t>(
        crc32_combine(crc_, compressed.crc, static_cast<z_off_t>(block.size)));
    size_ += block.size;
    return Put({block.out.get(), compressed.size});
  }

  absl::Status Put(std::string_view data) { return data.empty() ? absl::OkStatus() : sink_(data); }

  void Work(BlockCodec* codec, std::stop_token stop) {
    while (true) {
      Block* block = nullptr;
      {
        MutexLock lock(&mutex_);
        has_waiting_.Wait(&mutex_, stop,
                          [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !waiting_.empty(); });
        if (stop.stop_requested()) {
          return;
        }
        block = waiting_.front();
        waiting_.pop_front();
      }
      block->result =
          codec->Compress({block->in.get(), block->size}, {block->out.get(), kMaxCompressedBlock});
      {
        MutexLock lock(&mutex_);
        block->done = true;
      }
      block_done_.NotifyOne();
    }
  }

  const BlockFormat format_;
  const size_t max_threads_;
  const Sink sink_;
  const std::stop_token stop_;

  // Of the thread that calls.
  absl::Status status_;  // the first error
  std::unique_ptr<Block> filling_;
  std::deque<std::unique_ptr<Block>> under_way_;  // in order
  std::vector<std::unique_ptr<Block>> free_;
  bool begun_ = false;
  uint32_t crc_ = 0;   // of what is written
  uint64_t size_ = 0;  // the same, before compression

  Mutex mutex_;
  CondVar has_waiting_;
  CondVar block_done_;
  std::deque<Block*> waiting_ ABSL_GUARDED_BY(mutex_);

  std::vector<std::jthread> threads_;  // joined before the rest goes
};

}  // namespace

std::unique_ptr<Compressor> MakeBlockCompressor(BlockFormat format, size_t threads,
                                                std::function<absl::Status(std::string_view)> sink,
                                                std::stop_token stop) {
  return std::make_unique<BlockCompressor>(std::move(format), threads, std::move(sink),
                                           std::move(stop));
}

}  // namespace zlayer
