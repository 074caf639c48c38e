// What completion reads: the daemon's lists, and the Dockerfile of the command line.
#ifndef ZLAYER_CLIENT_CLI_COMPLETION_SOURCES_H_
#define ZLAYER_CLIENT_CLI_COMPLETION_SOURCES_H_

#include <string>
#include <string_view>
#include <vector>

#include "client/cli/completion.h"
#include "client/cli/session.h"

namespace zlayer {

// The named stages of a Dockerfile; nothing where the text does not read.
std::vector<Candidate> StagesOf(std::string_view dockerfile);

// "NAME=" for each ARG that it declares, once, described with its default.
std::vector<Candidate> BuildArgsOf(std::string_view dockerfile);

// Asks the daemon at most 500 ms each time, and answers with nothing where anything is wrong.
class LiveCompletionSource : public CompletionSource {
 public:
  std::vector<Candidate> Images(const WrittenCommand& written) override;
  std::vector<Candidate> Builds(const WrittenCommand& written) override;
  std::vector<Candidate> Stages(const WrittenCommand& written) override;
  std::vector<Candidate> BuildArgs(const WrittenCommand& written) override;
  std::vector<Candidate> Runtimes() override;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_COMPLETION_SOURCES_H_
