// The Compressor of formats that are made of blocks.
#ifndef ZLAYER_REGISTRY_COMPRESS_BLOCK_COMPRESSOR_H_
#define ZLAYER_REGISTRY_COMPRESS_BLOCK_COMPRESSOR_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "registry/compress/block_format.h"
#include "registry/compress/compressor.h"

namespace zlayer {

// Starts threads as there are blocks for them, at most `threads`. Holds at most 2 * threads + 1
// blocks, each with room for what is made of it.
std::unique_ptr<Compressor> MakeBlockCompressor(BlockFormat format, size_t threads,
                                                std::function<absl::Status(std::string_view)> sink,
                                                std::stop_token stop);

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_COMPRESS_BLOCK_COMPRESSOR_H_
