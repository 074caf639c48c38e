#include "daemon/frontend/dockerfile/nanoserver_guard.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "base/strings.h"

namespace zlayer {
namespace {

// A shell within a shell, and so on: no one writes more.
constexpr int kMaxDepth = 8;
constexpr std::string_view kPackageManagers[] = {"choco", "winget"};
// Stand before a command, as parts of the language.
constexpr std::string_view kPrefixes[] = {"call", "do", "else", "start", "."};
// PowerShell's, which take the next word.
constexpr std::string_view kWithValue[] = {"-executionpolicy",
                                           "-ep",
                                           "-ex",
                                           "-file",
                                           "-f",
                                           "-version",
                                           "-inputformat",
                                           "-outputformat",
                                           "-windowstyle",
                                           "-w",
                                           "-configurationname",
                                           "-psconsolefile",
                                           "-workingdirectory",
                                           "-wd",
                                           "-settingsfile"};

std::string InCommand(const std::vector<std::string>& words, int depth);

template <size_t N>
bool Contains(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

// "C:\tools\Choco.EXE" is "choco".
std::string ProgramName(std::string_view word) {
  while (word.starts_with('@')) {
    word.remove_prefix(1);
  }
  std::string name = ToLower(word.substr(word.find_last_of("/\\") + 1));
  if (name.ends_with(".exe")) {
    name.resize(name.size() - 4);
  }
  return name;
}

// Takes a script apart: the words of its commands, without quotes.
class Commands {
 public:
  explicit Commands(std::string_view script) : rest_(script) {}

  // The words of the next command, maybe none; false at the end.
  bool Next(std::vector<std::string>* words) {
    if (rest_.empty()) {
      return false;
    }
    words->clear();
    while (!rest_.empty() && !IsSeparator(rest_.front())) {
      if (IsBlank(rest_.front())) {
        rest_.remove_prefix(1);
      } else {
        words->push_back(Word());
      }
    }
    rest_.remove_prefix(rest_.empty() ? 0 : 1);
    return true;
  }

 private:
  static bool IsBlank(char c) { return c == ' ' || c == '\t'; }
  static bool IsSeparator(char c) {
    return std::string_view("\r\n&|;(){}").find(c) != std::string_view::npos;
  }
  // cmd's and PowerShell's.
  static bool IsEscape(char c) { return c == '^' || c == '`'; }

  std::string Word() {
    std::string word;
    char quote = '\0';
    for (; !rest_.empty(); rest_.remove_prefix(1)) {
      const char c = rest_.front();
      if (quote != '\0') {
        if (c == quote) {
          quote = '\0';
        } else {
          word += c;
        }
      } else if (c == '"' || c == '\'') {
        quote = c;
      } else if (IsBlank(c) || IsSeparator(c)) {
        return word;
      } else if (!IsEscape(c)) {
        word += c;
      } else if (rest_.size() > 1) {
        rest_.remove_prefix(1);  // at the end of a line the command goes on
        word += rest_.front() == '\n' ? ' ' : rest_.front();
      }
    }
    return word;
  }

  std::string_view rest_;
};

std::string InScript(std::string_view script, int depth) {
  Commands commands(script);
  std::vector<std::string> words;
  while (commands.Next(&words)) {
    if (std::string found = InCommand(words, depth); !found.empty()) {
      return found;
    }
  }
  return "";
}

std::vector<std::string> From(const std::vector<std::string>& words, size_t first) {
  return {words.begin() + static_cast<std::ptrdiff_t>(std::min(first, words.size())), words.end()};
}

// cmd [/x ...] /c|/k text: options may be written together, and with the text. A text that is one
// word is a script; of others the quotes stay.
std::string InCmd(const std::vector<std::string>& words, int depth) {
  for (size_t i = 0; i < words.size() && words[i].starts_with('/'); ++i) {
    const std::string option = ToLower(words[i]);
    const size_t run = std::min(option.find("/c"), option.find("/k"));
    if (run == std::string::npos) {
      continue;
    }
    std::vector<std::string> text = From(words, i);
    text[0].erase(0, run + 2);
    if (text[0].empty()) {
      text.erase(text.begin());
    }
    if (text.empty()) {
      return "";
    }
    const std::string found = InCommand(text, depth);
    return found.empty() ? InScript(text[0], depth) : found;
  }
  return "";
}

// powershell [-x [value] ...] [-Command] text: its words are one script, without their quotes.
std::string InPowershell(const std::vector<std::string>& words, int depth) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string option = ToLower(words[i]);
    if (!option.starts_with('-') && !option.starts_with('/')) {
      return InScript(Join(From(words, i), " "), depth);
    }
    const std::string dashed = "-" + option.substr(1);
    if (dashed.starts_with("-c") && std::string_view("-command").starts_with(dashed)) {
      return InScript(Join(From(words, i + 1), " "), depth);
    }
    i += Contains(kWithValue, dashed) ? 1 : 0;
  }
  return "";
}

std::string InCommand(const std::vector<std::string>& words, int depth) {
  size_t first = 0;
  while (first < words.size() &&
         (words[first].empty() || Contains(kPrefixes, ToLower(words[first])))) {
    ++first;
  }
  if (first == words.size() || depth > kMaxDepth) {
    return "";
  }
  const std::string program = ProgramName(words[first]);
  if (Contains(kPackageManagers, program)) {
    return program;
  }
  if (program == "cmd") {
    return InCmd(From(words, first + 1), depth + 1);
  }
  return program == "powershell" || program == "pwsh"
             ? InPowershell(From(words, first + 1), depth + 1)
             : "";
}

}  // namespace

std::string PackageManagerIn(std::string_view script) { return InScript(script, 0); }

std::string PackageManagerIn(const std::vector<std::string>& argv) { return InCommand(argv, 0); }

}  // namespace zlayer
