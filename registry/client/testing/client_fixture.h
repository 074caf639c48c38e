// A client and a fake registry that it talks to.
#ifndef ZLAYER_REGISTRY_CLIENT_TESTING_CLIENT_FIXTURE_H_
#define ZLAYER_REGISTRY_CLIENT_TESTING_CLIENT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/client/registry_client.h"
#include "registry/client/testing/fake_registry.h"
#include "tests/status_matchers.h"

namespace zlayer {

// `size` bytes that do not repeat soon.
inline std::string TestBytes(size_t size) {
  std::string bytes;
  bytes.reserve(size);
  uint32_t state = 1;
  for (size_t i = 0; i < size; ++i) {
    state = state * 1664525 + 1013904223;
    bytes += static_cast<char>(state >> 24);
  }
  return bytes;
}

// As the registry sees requests, without the probe for https or http.
inline int CountOf(FakeServer& server, std::string_view line_start) {
  const std::vector<std::string> lines = server.Lines();
  return static_cast<int>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.starts_with(line_start);
  }));
}

class ClientFixture : public ::testing::Test {
 protected:
  static RegistryClientOptions FastOptions() {
    return {
        .delay_ms = 1, .max_delay_ms = 20, .jitter_seed = 1, .tmp_directory = ::testing::TempDir()};
  }
  RemoteRepository Where(const std::string& repository = "lib/app") const {
    return {.registry = registry_.Host(), .repository = repository};
  }
  void Configure(RegistrySettings settings) {
    options_.registries.push_back(std::move(settings));
    client_ = MakeRegistryClient(options_);
  }

  // What came, whatever became of it.
  struct Got {
    absl::Status status;
    std::string bytes;
  };
  Got Get(const RemoteRepository& where, const RemoteDescriptor& blob, std::stop_token stop = {}) {
    Got got;
    got.status = client_->GetBlob(where, blob,
                                  {.append =
                                       [&](std::string_view data) {
                                         got.bytes += data;
                                         return absl::OkStatus();
                                       },
                                   .restart =
                                       [&] {
                                         got.bytes.clear();
                                         return absl::OkStatus();
                                       }},
                                  std::move(stop));
    return got;
  }
  static BlobSource Source(const std::string& bytes) {
    return {.digest = Digest::Of(bytes),
            .size = bytes.size(),
            .read = [&bytes](uint64_t offset, const auto& sink) {
              for (std::string_view rest = std::string_view(bytes).substr(offset); !rest.empty();) {
                const std::string_view piece = rest.substr(0, 100'000);
                if (absl::Status taken = sink(piece); !taken.ok()) {
                  return taken;
                }
                rest.remove_prefix(piece.size());
              }
              return absl::OkStatus();
            }};
  }

  mutable FakeRegistry registry_;
  RegistryClientOptions options_ = FastOptions();
  std::unique_ptr<RegistryClient> client_ = MakeRegistryClient(options_);
};

}  // namespace zlayer

#endif  // ZLAYER_REGISTRY_CLIENT_TESTING_CLIENT_FIXTURE_H_
