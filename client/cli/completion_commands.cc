#include <memory>
#include <string>
#include <vector>

#include "base/version.h"
#include "client/cli/commands.h"
#include "client/cli/completion.h"
#include "client/cli/completion_scripts.h"
#include "client/cli/completion_sources.h"
#include "client/cli/manual.h"
#include "client/cli/session.h"

namespace zlayer {
namespace {

void AddCompletion(Command& root) {
  Command completion = root.Sub("completion", "Print a script that completes zlayer in a shell",
                                "source <(zlayer completion bash)");
  auto shell = std::make_shared<std::string>();
  completion.ChoiceArgument({"SHELL", "", "The shell"}, shell.get(), {"bash", "zsh", "fish"});
  completion.Run([shell](Session&) {
    Print(CompletionScript(*shell));
    return absl::OkStatus();
  });
}

}  // namespace

void AddCompletionCommands(Command& root, const CommandSpec& program) {
  AddCompletion(root);

  Command complete = root.Sub("__complete", "Complete a command line", "");
  auto words = std::make_shared<std::vector<std::string>>();
  complete.Hide().Words(words.get()).Run([words, &program](Session&) {
    LiveCompletionSource source;
    Print(FormatCompletion(Complete(program, *words, source)));
    return absl::OkStatus();
  });

  Command manual = root.Sub("__manual", "Print the manual page", "");
  manual.Hide().Run([&program](Session&) {
    Print(ManualPage(program, kVersion));
    return absl::OkStatus();
  });
}

}  // namespace zlayer
