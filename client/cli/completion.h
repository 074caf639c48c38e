// What may stand at the cursor of a command line that is being written.
#ifndef ZLAYER_CLIENT_CLI_COMPLETION_H_
#define ZLAYER_CLIENT_CLI_COMPLETION_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/command_spec.h"

namespace zlayer {

struct Candidate {
  std::string text;
  std::string description;  // may be empty
};

// What was written before the cursor.
struct WrittenCommand {
  CommandPath path;
  // By the longest name: "--tag".
  std::map<std::string, std::vector<std::string>, std::less<>> options;
  std::vector<std::string> arguments;

  // The last value of an option, or empty.
  std::string Last(std::string_view option) const;
};

// Knows what the commands themselves do not tell. May answer with too much, in the order to show.
class CompletionSource {
 public:
  virtual ~CompletionSource() = default;
  virtual std::vector<Candidate> Images(const WrittenCommand& written) = 0;
  virtual std::vector<Candidate> Builds(const WrittenCommand& written) = 0;
  virtual std::vector<Candidate> Stages(const WrittenCommand& written) = 0;
  // Ends in "=", for a value to follow.
  virtual std::vector<Candidate> BuildArgs(const WrittenCommand& written) = 0;
  virtual std::vector<Candidate> Runtimes() = 0;
};

struct Completion {
  enum class Kind { kWords, kFiles, kDirectories };
  Kind kind = Kind::kWords;
  // Whole words for the place of the one at the cursor, which all begin with it.
  std::vector<Candidate> candidates;
};

// `words` are those behind the program's name up to the cursor, the one at the cursor last (empty
// where it has not begun).
Completion Complete(const CommandSpec& program, const std::vector<std::string>& words,
                    CompletionSource& source);

// For the scripts of the shells: a line "words", "files" or "directories", then a line for each
// candidate, its description behind a tab. Candidates with control characters are left out.
std::string FormatCompletion(const Completion& completion);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_COMPLETION_H_
