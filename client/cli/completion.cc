#include "client/cli/completion.h"

#include <algorithm>
#include <utility>

namespace zlayer {
namespace {

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Reads the words before the cursor as the program would, but never refuses one.
class Reader {
 public:
  explicit Reader(const CommandSpec& program) { written_.path = {&program}; }

  void Read(const std::string& word) {
    if (pending_ != nullptr) {
      Give(std::exchange(pending_, nullptr), word);
    } else if (!only_arguments_ && word == "--") {
      only_arguments_ = true;
    } else if (!only_arguments_ && word.size() > 1 && word.starts_with('-')) {
      word.starts_with("--") ? ReadLong(word) : ReadShort(word);
    } else {
      ReadPlain(word);
    }
  }

  const WrittenCommand& written() const { return written_; }
  // The option whose value comes next, or null.
  const OptionSpec* pending() const { return pending_; }
  bool only_arguments() const { return only_arguments_; }

 private:
  void ReadLong(const std::string& word) {
    size_t equals = word.find('=');
    const OptionSpec* option = FindOption(written_.path, word.substr(0, equals));
    if (option == nullptr) {
      return;
    }
    if (option->takes_value && equals == std::string::npos) {
      pending_ = option;
    } else {
      Give(option, equals == std::string::npos ? "" : word.substr(equals + 1));
    }
  }

  // "-qt" and "-tNAME".
  void ReadShort(const std::string& word) {
    for (size_t i = 1; i < word.size(); ++i) {
      const OptionSpec* option = FindOption(written_.path, std::string("-") + word[i]);
      if (option == nullptr) {
        return;
      }
      if (option->takes_value) {
        if (i + 1 == word.size()) {
          pending_ = option;
        } else {
          Give(option, word.substr(i + 1));
        }
        return;
      }
      Give(option, "");
    }
  }

  void ReadPlain(const std::string& word) {
    const CommandSpec* sub = only_arguments_ ? nullptr : written_.path.back()->Find(word);
    if (sub != nullptr) {
      written_.path.push_back(sub);
    } else {
      written_.arguments.push_back(word);
    }
  }

  void Give(const OptionSpec* option, const std::string& value) {
    written_.options[option->name()].push_back(value);
  }

  WrittenCommand written_;
  const OptionSpec* pending_ = nullptr;
  bool only_arguments_ = false;
};

class Completer {
 public:
  Completer(const Reader& reader, CompletionSource& source)
      : reader_(reader), written_(reader.written()), source_(source) {}

  Completion Run(const std::string& word) {
    size_t equals = word.find('=');
    if (reader_.pending() != nullptr) {
      Value(*reader_.pending(), "", word);
    } else if (reader_.only_arguments() || !word.starts_with('-')) {
      Plain(word);
    } else if (word.starts_with("--") && equals != std::string::npos) {
      const OptionSpec* option = FindOption(written_.path, word.substr(0, equals));
      if (option != nullptr && option->takes_value) {
        Value(*option, word.substr(0, equals + 1), word.substr(equals + 1));
      }
    } else {
      for (auto command = written_.path.rbegin(); command != written_.path.rend(); ++command) {
        Options(**command, word);
      }
      Offer(word, {"--help", "Print this help"});
    }
    return std::move(completion_);
  }

 private:
  void Offer(const std::string& word, Candidate candidate) {
    if (candidate.text.starts_with(word)) {
      completion_.candidates.push_back(std::move(candidate));
    }
  }

  // One name of each option that may still be given: the long one where it fits.
  void Options(const CommandSpec& command, const std::string& word) {
    for (const OptionSpec& option : command.options) {
      if (option.hidden || (!option.repeated && written_.options.contains(option.name()))) {
        continue;
      }
      for (auto name = option.names.rbegin(); name != option.names.rend(); ++name) {
        if (name->starts_with(word)) {
          Offer(word, {*name, option.help});
          break;
        }
      }
    }
  }

  void Plain(const std::string& word) {
    const CommandSpec& command = *written_.path.back();
    for (const CommandSpec& sub : command.subs) {
      if (!sub.hidden && written_.arguments.empty()) {
        Offer(word, {sub.name, sub.summary});
      }
    }
    if (command.arguments.empty()) {
      return;
    }
    auto argument = command.arguments.begin();
    for (size_t i = 0; i < written_.arguments.size() && !argument->repeated; ++i) {
      if (++argument == command.arguments.end()) {
        return;
      }
    }
    Value(*argument, "", word);
  }

  // `before` stands in front of the value in the same word: "--tag=".
  void Value(const OptionSpec& option, const std::string& before, const std::string& value) {
    std::vector<Candidate> candidates;
    for (const std::string& allowed : option.allowed) {
      candidates.push_back({allowed, ""});
    }
    switch (option.completes) {
      case Completes::kNothing:
        break;
      case Completes::kFile:
        completion_.kind = Completion::Kind::kFiles;
        break;
      case Completes::kDirectory:
        completion_.kind = Completion::Kind::kDirectories;
        break;
      case Completes::kNamedDirectory:
        if (value.find('=') != std::string::npos) {
          completion_.kind = Completion::Kind::kDirectories;
        }
        break;
      case Completes::kImage:
        candidates = source_.Images(written_);
        break;
      case Completes::kBuild:
        candidates = source_.Builds(written_);
        break;
      case Completes::kStage:
        candidates = source_.Stages(written_);
        break;
      case Completes::kBuildArg:
        candidates = source_.BuildArgs(written_);
        break;
      case Completes::kRuntime:
        candidates = source_.Runtimes();
        break;
    }
    const std::vector<std::string>& given = written_.arguments;
    for (Candidate& candidate : candidates) {
      bool again = before.empty() && option.repeated &&
                   std::find(given.begin(), given.end(), candidate.text) != given.end();
      if (!again) {
        candidate.text.insert(0, before);
        Offer(before + value, std::move(candidate));
      }
    }
  }

  const Reader& reader_;
  const WrittenCommand& written_;
  CompletionSource& source_;
  Completion completion_;
};

}  // namespace

std::string WrittenCommand::Last(std::string_view option) const {
  auto found = options.find(option);
  return found == options.end() ? std::string() : found->second.back();
}

Completion Complete(const CommandSpec& program, const std::vector<std::string>& words,
                    CompletionSource& source) {
  Reader reader(program);
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    reader.Read(words[i]);
  }
  return Completer(reader, source).Run(words.empty() ? "" : words.back());
}

std::string FormatCompletion(const Completion& completion) {
  std::string text = completion.kind == Completion::Kind::kFiles         ? "files\n"
                     : completion.kind == Completion::Kind::kDirectories ? "directories\n"
                                                                         : "words\n";
  for (const Candidate& candidate : completion.candidates) {
    if (std::any_of(candidate.text.begin(), candidate.text.end(), IsControl)) {
      continue;
    }
    std::string description = candidate.description;
    std::replace_if(description.begin(), description.end(), IsControl, ' ');
    text += candidate.text + (description.empty() ? "" : "\t" + description) + "\n";
  }
  return text;
}

}  // namespace zlayer
