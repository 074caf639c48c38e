#include "client/cli/help.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace zlayer {
namespace {

// Where descriptions begin, unless what they describe is short or the screen is narrow.
constexpr size_t kColumn = 30;
constexpr size_t kMinText = 20;

struct Item {
  std::string form;
  std::string help;
};

struct Section {
  std::string title;
  std::vector<Item> items;
};

std::vector<std::string> Wrap(std::string_view text, size_t width) {
  std::vector<std::string> lines(1);
  for (std::string_view word : Split(text, ' ')) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) {
      lines.emplace_back();
    }
    lines.back() += (lines.back().empty() ? "" : " ") + std::string(word);
  }
  return lines;
}

class HelpWriter {
 public:
  HelpWriter(const CommandPath& path, size_t width)
      : path_(path), width_(std::max<size_t>(width, 40)) {}

  std::string Write() {
    const CommandSpec& command = *path_.back();
    text_ = "Usage: " + UsageLine(path_) + "\n\n";
    for (const std::string& line : Wrap(command.summary, width_)) {
      text_ += line + "\n";
    }
    AddArguments(command);
    for (const CommandSpec& sub : command.subs) {
      if (!sub.hidden) {
        Add(sub.section.empty() ? "Commands" : sub.section, {sub.name, sub.summary});
      }
    }
    AddOptions(command);
    if (path_.size() > 1) {
      AddOptions(*path_.front());
    }
    Add(path_.front()->options.empty() ? "Options" : path_.front()->options.back().section,
        {"-h, --help", "Print this help"});
    WriteSections();
    if (!command.example.empty()) {
      text_ += "\nExample:\n  " + command.example + "\n";
    }
    if (!command.subs.empty()) {
      text_ += "\n\"" + FullName(path_) + " COMMAND --help\" says more of a command.\n";
    }
    return std::move(text_);
  }

 private:
  void Add(const std::string& title, Item item) {
    auto same = [&title](const Section& section) { return section.title == title; };
    auto found = std::find_if(sections_.begin(), sections_.end(), same);
    if (found == sections_.end()) {
      found = sections_.insert(sections_.end(), Section{title, {}});
    }
    found->items.push_back(std::move(item));
  }

  void AddArguments(const CommandSpec& command) {
    for (const OptionSpec& argument : command.arguments) {
      std::string help = OptionHelp(argument);
      if (!argument.allowed.empty()) {
        help += ": " + Join(argument.allowed, ", ");
      }
      Add("Arguments", {argument.name(), help});
    }
  }

  void AddOptions(const CommandSpec& command) {
    for (const OptionSpec& option : command.options) {
      if (!option.hidden) {
        bool has_short = option.names.front().size() == 2;
        Add(option.section, {(has_short ? "" : "    ") + OptionForm(option), OptionHelp(option)});
      }
    }
  }

  void WriteSections() {
    size_t column = 0;
    for (const Section& section : sections_) {
      for (const Item& item : section.items) {
        column = std::max(column, item.form.size() + 4);
      }
    }
    column = std::min({column, kColumn, width_ - kMinText});
    for (const Section& section : sections_) {
      text_ += "\n" + section.title + ":\n";
      for (const Item& item : section.items) {
        WriteItem(item, column);
      }
    }
  }

  void WriteItem(const Item& item, size_t column) {
    std::string line = "  " + item.form;
    if (line.size() + 2 > column) {
      text_ += line + "\n";
      line.clear();
    }
    for (const std::string& help : Wrap(item.help, width_ - column)) {
      line.resize(column, ' ');
      text_ += line + help + "\n";
      line.clear();
    }
  }

  const CommandPath& path_;
  const size_t width_;
  std::vector<Section> sections_;
  std::string text_;
};

}  // namespace

std::string HelpText(const CommandPath& path, size_t width) {
  return HelpWriter(path, width).Write();
}

}  // namespace zlayer
