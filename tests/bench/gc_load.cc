// What garbage collection costs look-ups: finds cache records in a store of many, alone and while
// half of them, with the layers, contents and blobs that only those needed, are collected.
//
//   gc_load [--records=N] [--layers=N] [--blobs=N] [--seconds=S] [--directory=DIR]
//
// Every layer has five contents. Fails where a record that must stay is lost, or garbage is left.
#include <absl/status/status.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "base/status_macros.h"
#include "base/strings.h"
#include "registry/gc/collector.h"
#include "registry/layer/index.h"
#include "registry/store.h"

namespace zlayer {
namespace {

constexpr size_t kContents = 5;
constexpr size_t kLayersPerPack = 100;
constexpr size_t kChain = 8;
constexpr size_t kReaders = 2;

struct Settings {
  size_t records = 100'000;
  size_t layers = 10'000;
  size_t blobs = 50'000;
  double seconds = 5;
  std::string directory = "/tmp";
};

Digest KeyOf(size_t record) { return Digest::Of(fmt::format("record {}", record)); }

class Load {
 public:
  Load(const Settings& settings, Store* store) : settings_(settings), store_(*store) {}

  absl::Status Fill() {
    for (size_t i = 0; i < settings_.layers; i += kLayersPerPack) {
      RETURN_IF_ERROR(AddLayers(i, std::min(settings_.layers, i + kLayersPerPack)));
    }
    for (size_t i = 0; i < settings_.blobs; ++i) {
      RETURN_IF_ERROR(store_.blobs().Write(fmt::format("blob {}", i)).status());
    }
    for (size_t i = 0; i < settings_.records; i += 1000) {
      RETURN_IF_ERROR(AddRecords(i, std::min(settings_.records, i + 1000)));
    }
    return absl::OkStatus();
  }

  // Latencies of look-ups, one a millisecond and thread, until `stop`.
  std::vector<double> LookUp(const std::function<void()>& meanwhile) {
    std::atomic<bool> done{false};
    std::vector<std::vector<double>> latencies(kReaders);
    std::vector<std::jthread> readers;
    for (size_t r = 0; r < kReaders; ++r) {
      readers.emplace_back([&, r] {
        std::mt19937_64 random(r);
        while (!done) {
          const int64_t begin = MonotonicNs();
          // Those of the first half stay.
          const size_t record = random() % (settings_.records / 2);
          failed_ += store_.records().Find(KeyOf(record)).ok() ? 0 : 1;
          latencies[r].push_back(static_cast<double>(MonotonicNs() - begin) / 1e6);
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      });
    }
    meanwhile();
    done = true;
    readers.clear();
    std::vector<double> all;
    for (const std::vector<double>& some : latencies) {
      all.insert(all.end(), some.begin(), some.end());
    }
    std::sort(all.begin(), all.end());
    return all;
  }

  size_t failed() const { return failed_; }

 private:
  absl::Status AddLayers(size_t begin, size_t end) {
    ASSIGN_OR_RETURN(std::unique_ptr<PackWriter> pack, store_.contents().NewPack());
    std::vector<std::string> indexes;
    for (size_t i = begin; i < end; ++i) {
      LayerIndexBuilder builder;
      for (size_t c = 0; c < kContents; ++c) {
        const std::string content = fmt::format("content {} of layer {}", c, i);
        RETURN_IF_ERROR(pack->Append(content));
        Entry entry;
        entry.path = fmt::format("file{}", c);
        entry.type = EntryType::kFile;
        entry.mode = 0644;
        entry.size = content.size();
        ASSIGN_OR_RETURN(entry.content, pack->End());
        RETURN_IF_ERROR(builder.Add(std::move(entry)));
      }
      ASSIGN_OR_RETURN(indexes.emplace_back(), builder.Serialize());
    }
    RETURN_IF_ERROR(pack->Commit());
    for (const std::string& index : indexes) {
      ASSIGN_OR_RETURN(const LayerRef layer, store_.layers().Add(index, ""));
      ids_.push_back(layer->id());
    }
    return absl::OkStatus();
  }

  // Records of the first half are on layers of the first half, and used later.
  absl::Status AddRecords(size_t begin, size_t end) {
    return store_.database().WriteUnsynced([&](Connection& connection) -> absl::Status {
      ASSIGN_OR_RETURN(
          Statement put,
          connection.Prepare("INSERT INTO records (key, namespace, layer, chain, build, created, "
                             "used) VALUES (?, 'default', ?, ?, 'b', 1, ?)"));
      for (size_t i = begin; i < end; ++i) {
        const bool stays = i < settings_.records / 2;
        const size_t half = settings_.layers / 2;
        const size_t first = stays ? 0 : half;
        std::string chain;
        for (size_t below = 0; below < kChain; ++below) {
          chain += ids_[first + (i * 7 + below) % half].Bytes();
        }
        put.BindDigest(1, KeyOf(i)).BindDigest(2, ids_[first + i % half]).BindBlob(3, chain);
        RETURN_IF_ERROR(put.Bind(4, stays ? SystemClock()->NowNs() : 1).Run());
      }
      return absl::OkStatus();
    });
  }

  const Settings& settings_;
  Store& store_;
  std::vector<Digest> ids_;
  std::atomic<size_t> failed_{0};
};

void Report(std::string_view what, const std::vector<double>& latencies) {
  const auto at = [&](double share) {
    return latencies.empty()
               ? 0
               : latencies[static_cast<size_t>(share * static_cast<double>(latencies.size() - 1))];
  };
  fmt::print("{}: {} look-ups, median {:.3f} ms, p99 {:.3f} ms, p99.9 {:.3f} ms, max {:.3f} ms\n",
             what, latencies.size(), at(0.5), at(0.99), at(0.999), at(1));
}

absl::Status Run(const Settings& settings) {
  ASSIGN_OR_RETURN(const ScopedDirectory directory,
                   ScopedDirectory::Make(settings.directory, "zlayer-gc-load-"));
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store,
                   Store::Open(directory.path() + "/root", SystemClock()));
  ASSIGN_OR_RETURN(const std::unique_ptr<Collector> collector,
                   StartCollector({.automatic = false}, store.get(), SystemClock()));
  Load load(settings, store.get());
  RETURN_IF_ERROR(load.Fill());
  Report("alone", load.LookUp([&] {
    std::this_thread::sleep_for(std::chrono::duration<double>(settings.seconds));
  }));
  absl::StatusOr<SweepResult> swept;
  int64_t took = 0;
  const auto sweep = [&](const GcPolicy& policy) {
    const int64_t begin = MonotonicNs();
    swept = collector->Prune(policy, false, {});
    took = MonotonicNs() - begin;
  };
  constexpr int64_t kHour = int64_t{3600} * 1'000'000'000;
  Report("while half is collected", load.LookUp([&] { sweep({{}, {.keep_ns = kHour}}); }));
  RETURN_IF_ERROR(swept.status());
  for (const auto& [type, removed] : swept->removed) {
    fmt::print("  {} {}\n", removed.objects, type);
  }
  fmt::print("  in {:.2f} s\n", static_cast<double>(took) / 1e9);
  const uint64_t records = swept->removed["record"].objects;
  Report("while there is nothing to collect", load.LookUp([&] {
    sweep({{}, {.keep_ns = kHour}});
  }));
  RETURN_IF_ERROR(swept.status());
  fmt::print("  in {:.2f} s\n", static_cast<double>(took) / 1e9);
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("peak memory: {} MiB\n", usage.ru_maxrss / 1024);
  ASSIGN_OR_RETURN(const StoreStatistics left, store->Statistics());
  const bool good = load.failed() == 0 && records == settings.records - settings.records / 2 &&
                    left.records == settings.records / 2 && left.layers == settings.layers / 2;
  return good ? absl::OkStatus()
              : absl::InternalError(fmt::format("{} look-ups failed; {} records went, {} records "
                                                "and {} layers are left",
                                                load.failed(), records, left.records, left.layers));
}

int Main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const size_t equals = std::min(argument.find('='), argument.size() - 1);
    const std::string_view name = argument.substr(0, equals);
    const std::string value(argument.substr(equals + 1));
    std::map<std::string_view, size_t*> numbers = {{"--records", &settings.records},
                                                   {"--layers", &settings.layers},
                                                   {"--blobs", &settings.blobs}};
    if (numbers.contains(name)) {
      *numbers[name] = ParseUint(value).value_or(0);
    } else if (name == "--seconds") {
      settings.seconds = std::atof(value.c_str());
    } else if (name == "--directory") {
      settings.directory = value;
    } else {
      fmt::print(stderr, "unknown option {}\n", argument);
      return 2;
    }
  }
  const absl::Status status = Run(settings);
  if (!status.ok()) {
    fmt::print(stderr, "{}\n", status.ToString());
  }
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) { return zlayer::Main(argc, argv); }
