// How fast each compression and level is, on one thread and on as many as there are processors, and
// what it leaves: of a file that is named behind the options, else of half zeros, half random.
#include <benchmark/benchmark.h>
#include <spdlog/fmt/fmt.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "base/errors.h"
#include "registry/compress/compressor.h"

namespace zlayer {
namespace {

std::string HalfRandom() {
  constexpr size_t kHalf = size_t{64} << 20;
  std::string input(kHalf, '\0');
  std::mt19937_64 random(1);
  while (input.size() < 2 * kHalf) {
    const uint64_t value = random();
    input.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return input;
}

std::string Read(const char* file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void Compress(benchmark::State& state, const CompressorOptions& options, std::string_view input) {
  size_t size = 0;
  for (auto _ : state) {
    size = 0;
    const auto sink = [&size](std::string_view data) {
      size += data.size();
      return absl::OkStatus();
    };
    auto compressor = MakeCompressor(options, sink, {});
    absl::Status status = compressor.status();
    for (std::string_view rest = input; status.ok() && !rest.empty();) {
      const std::string_view part = rest.substr(0, size_t{256} << 10);
      rest.remove_prefix(part.size());
      status = (*compressor)->Append(part);
    }
    if (status.ok()) {
      status = (*compressor)->Finish();
    }
    if (!status.ok()) {
      state.SkipWithError(std::string(Message(status)).c_str());
      break;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * input.size()));
  state.counters["size"] = static_cast<double>(size);
}

void Register(Compression compression, int lowest, int highest, std::string_view input) {
  for (int level = lowest; level <= highest; ++level) {
    for (const unsigned threads : {1u, 0u}) {
      const CompressorOptions options = {compression, level, threads};
      const std::string name =
          fmt::format("{} {}", CompressionName(options), threads == 1 ? "one thread" : "all");
      benchmark::RegisterBenchmark(
          name.c_str(),
          [options, input](benchmark::State& state) { Compress(state, options, input); })
          ->Iterations(1)
          ->MeasureProcessCPUTime()
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

int Main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const std::string input = argc > 1 ? Read(argv[1]) : HalfRandom();
  if (input.empty()) {
    fmt::print(stderr, "{}: there is nothing in it, or it cannot be read\n", argv[1]);
    return 1;
  }
  Register(Compression::kGzip, 1, 6, input);
  Register(Compression::kZstd, 1, 6, input);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace zlayer

int main(int argc, char** argv) { return zlayer::Main(argc, argv); }
