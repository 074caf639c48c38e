// How much of a processor the Dockerfile frontend takes with the largest files that it accepts, and
// with files that are made to be slow.
#include <spdlog/fmt/fmt.h>

#include <cstddef>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "daemon/frontend/dockerfile/convert.h"

namespace zlayer {
namespace {

constexpr size_t kMebibyte = 1 << 20;

// Every image exists.
class AnyImage : public ImageResolver {
 public:
  absl::StatusOr<ResolvedImage> Resolve(const std::string& reference, const v1::Platform& platform,
                                        std::stop_token) override {
    return ResolvedImage{reference, "sha256:0", platform, {}};
  }
};

std::string Repeat(std::string_view text, size_t count) {
  std::string repeated;
  for (size_t i = 0; i < count; ++i) {
    repeated += text;
  }
  return repeated;
}

// As much of `text` as fits a file, with room for what stands around it.
std::string Fill(std::string_view text) { return Repeat(text, (kMebibyte - 64) / text.size()); }

std::string Numbered(std::string_view before, std::string_view after, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    text += fmt::format("{}{}{}", before, i, after);
  }
  return text;
}

std::vector<std::pair<std::string, std::string>> Files() {
  const std::string from = "FROM busybox\n";
  const std::string documents =
      "COPY" + Numbered(" <<D", "", 40'000) + " /d/\n" + Numbered("D", "\n", 40'000);
  return {
      {"1 MiB, 50,000 instructions", from + Fill("RUN echo hello world\n")},
      {"1 MiB, 9,999 instructions", from + Repeat("RUN " + std::string(99, 'x') + "\n", 9'999)},
      {"9,999 ENV", from + Numbered("ENV V", "=$PATH\n", 9'999)},
      {"9,999 ARG", from + Numbered("ARG V", "=1\n", 9'999)},
      {"RUN of 10,000 lines",
       from + "RUN " + Repeat("echo hello world && \\\n", 10'000) + "true\n"},
      {"ENV of 9,999 lines", from + "ENV" + Numbered(" \\\n V", "=1", 9'999) + "\n"},
      {"comments inside 300,000 lines", from + "RUN a \\\n" + Repeat("# \n", 300'000) + "b\n"},
      {"5,000 nested expansions",
       from + "ENV A=" + Repeat("${A:-", 5'000) + Repeat("}", 5'000) + "\n"},
      {"5,000 expansions in a word", from + "ENV A=" + Repeat("${A:-x}", 5'000) + "\n"},
      {"150,000 unset variables", from + "ENV A=" + Numbered("$V", "", 140'000) + "\n"},
      {"1 MiB of dollars", from + "USER " + Fill("$")},
      {"1 MiB of braces", from + "USER " + Fill("${")},
      {"1 MiB of quotes", from + "LABEL A=" + Fill("'\"'\"")},
      {"1 MiB of heredoc marks", from + "RUN " + Fill("<<a ")},
      {"40,000 heredocs", from + documents},
      {"1 MiB of brackets", from + "RUN " + Fill("[")},
      {"1 MiB of a JSON list", from + "CMD [\"a\"" + Fill(",\"a\"") + "]"},
      {"200,000 sources", from + "COPY " + Fill("a b ") + "/d/"},
      {"1 MiB of flags", from + "COPY " + Fill("--exclude=a ") + "a b"},
      {"1 MiB of ports", from + "EXPOSE " + Fill("$A ")},
      {"100,000 labels", from + "LABEL" + Numbered(" a", "=b", 100'000)},
      {"9,999 volumes", from + "VOLUME" + Numbered(" /v", "", 9'999)},
      {"9,999 stages", Numbered("FROM busybox AS s", "\n", 9'999)},
      {"999 stages, one on the other",
       "FROM busybox AS s0\n" + Numbered("FROM s0 AS t", "\n", 998) + "ENV A=1\n"},
      {"patterns",
       from + "ENV A=" + std::string(5'000, 'a') + "\nENV B=${A%" + Repeat("*a", 2'000) + "b}\n"},
  };
}

void Measure(const std::string& name, const std::string& text) {
  ConvertRequest request;
  request.name = "Dockerfile";
  request.text = text;
  request.platform.set_os("linux");
  request.platform.set_architecture("amd64");
  AnyImage images;
  const std::clock_t begin = std::clock();
  const absl::StatusOr<FileGraph> graph = ConvertFile(request, images, {});
  const double milliseconds = 1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  const std::string result = graph.ok() ? fmt::format("{} stages", graph->graph.stages_size())
                                        : std::string(Message(graph.status())).substr(0, 100);
  fmt::print("{:>8.1f} ms {:>8} bytes  {}: {}\n", milliseconds, text.size(), name, result);
}

}  // namespace
}  // namespace zlayer

int main() {
  for (const auto& [name, text] : zlayer::Files()) {
    zlayer::Measure(name, text);
  }
  return 0;
}
