#include "client/cli/check_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/base64.h"
#include "client/cli/session.h"
#include "client/cli/source_text.h"
#include "client/progress/screen_text.h"
#include "daemon/frontend/dockerfile/excerpt.h"

namespace zlayer {
namespace {

using Json = nlohmann::ordered_json;
using Rows = std::vector<std::vector<std::string>>;

std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// The build file, then those nested in it.
std::vector<const v1::InlineFile*> FilesOf(const v1::CheckBuildResponse& check) {
  std::vector<const v1::InlineFile*> files = {&check.file()};
  for (const v1::InlineFile& file : check.nested_files()) {
    files.push_back(&file);
  }
  return files;
}

// The file that a place is in; the build file where it says none.
size_t FileOf(const std::vector<const v1::InlineFile*>& files, const v1::SourceRange& source) {
  const auto named = std::find_if(files.begin(), files.end(), [&](const v1::InlineFile* file) {
    return file->name() == source.file();
  });
  return named == files.end() ? 0 : static_cast<size_t>(named - files.begin());
}

Json Location(const v1::SourceRange& source, size_t file = 0) {
  Json location = {{"sourceIndex", file}, {"ranges", Json::array()}};
  if (source.first_line() > 0) {
    location["ranges"].push_back(
        {{"start", {{"line", source.first_line()}}},
         {"end", {{"line", std::max(source.first_line(), source.last_line())}}}});
  }
  return location;
}

void SetUnlessEmpty(const char* key, const std::string& value, Json* json) {
  if (!value.empty()) {
    (*json)[key] = value;
  }
}

// A table below a head, behind an empty line; nothing where it has no rows but that.
std::string Table(Rows rows) {
  if (rows.size() == 1) {
    return "";
  }
  for (std::vector<std::string>& row : rows) {
    for (std::string& cell : row) {
      cell = Printable(cell);
    }
  }
  return "\n" + FormatTable(rows);
}

using Secrets = google::protobuf::RepeatedPtrField<v1::BuildOutline::Secret>;

std::string SecretTable(const std::string& head, const Secrets& secrets) {
  Rows rows = {{head, "REQUIRED"}};
  for (const auto& secret : secrets) {
    rows.push_back({secret.id(), secret.required() ? "true" : "false"});
  }
  return Table(std::move(rows));
}

Json SecretList(const Secrets& secrets) {
  Json list = Json::array();
  for (const auto& secret : secrets) {
    Json entry = {{"name", secret.id()}};
    if (secret.required()) {
      entry["required"] = true;
    }
    entry["location"] = Location(secret.source());
    list.push_back(std::move(entry));
  }
  return list;
}

void SetUnlessEmpty(const char* key, Json list, Json* json) {
  if (!list.empty()) {
    (*json)[key] = std::move(list);
  }
}

std::string PlaceOf(const v1::SourceRange& source) {
  return source.first_line() == 0 ? ""
                                  : fmt::format(" ({}:{})", source.file(), source.first_line());
}

}  // namespace

std::string CheckText(const v1::CheckBuildResponse& check, const View& view) {
  const std::vector<const v1::InlineFile*> files = FilesOf(check);
  std::string text;
  for (const v1::Warning& warning : check.warnings()) {
    text += Row()
                .Add("WARNING: ", Style::kWarning)
                .Add(warning.rule(), Style::kBold)
                .Add(PlaceOf(warning.source()), Style::kDim)
                .Whole()
                .Text(view) +
            "\n";
    text += Row().Add(warning.message()).Whole().Text(view) + "\n";
    for (const std::string& line : {warning.description(), warning.url()}) {
      if (!line.empty()) {
        text += Row().Add(line, Style::kDim).Whole().Text(view) + "\n";
      }
    }
    const v1::InlineFile& file = *files[FileOf(files, warning.source())];
    text += SourceText(warning.source(), ExcerptOf(file.content(), warning.source()), view);
    text += "\n";
  }
  const int count = check.warnings_size();
  const std::string found = count == 0   ? "no finding"
                            : count == 1 ? "1 finding"
                                         : fmt::format("{} findings", count);
  return text + Row().Add(fmt::format("{}: {}", check.file().name(), found)).Whole().Text(view) +
         "\n";
}

std::string OutlineText(const v1::BuildOutline& outline) {
  Rows head = {{"TARGET:", outline.name().empty() ? "(the last stage)" : outline.name()}};
  if (!outline.description().empty()) {
    head.push_back({"DESCRIPTION:", Printable(outline.description())});
  }
  Rows arguments = {{"BUILD ARG", "VALUE", "DESCRIPTION"}};
  for (const auto& argument : outline.arguments()) {
    arguments.push_back({argument.name(), argument.value(), argument.description()});
  }
  Rows caches = {{"CACHE"}};
  for (const auto& cache : outline.caches()) {
    caches.push_back({cache.id()});
  }
  return FormatTable(head) + Table(std::move(arguments)) +
         SecretTable("SECRET", outline.secrets()) + SecretTable("SSH", outline.ssh()) +
         Table(std::move(caches));
}

std::string TargetsText(const v1::CheckBuildResponse& check) {
  Rows rows = {{"TARGET", "BASE", "DESCRIPTION"}};
  for (const v1::BuildTarget& target : check.targets()) {
    const std::string name = target.name().empty() ? "(no name)" : target.name();
    rows.push_back({Printable(target.is_default() ? name + " (default)" : name),
                    Printable(target.base()), Printable(target.description())});
  }
  return FormatTable(rows);
}

std::string CheckJson(const v1::CheckBuildResponse& check) {
  const std::vector<const v1::InlineFile*> files = FilesOf(check);
  Json json = {{"warnings", Json::array()}, {"sources", Json::array()}};
  for (const v1::Warning& warning : check.warnings()) {
    Json entry = {{"ruleName", warning.rule()}};
    SetUnlessEmpty("description", warning.description(), &entry);
    SetUnlessEmpty("url", warning.url(), &entry);
    entry["detail"] = warning.message();
    entry["location"] = Location(warning.source(), FileOf(files, warning.source()));
    json["warnings"].push_back(std::move(entry));
  }
  for (const v1::InlineFile* file : files) {
    json["sources"].push_back({{"filename", file->name()},
                               {"language", "Dockerfile"},
                               {"data", EncodeBase64(file->content())}});
  }
  if (check.has_error()) {
    const v1::SourceRange& source = check.error().detail().source();
    json["buildError"] = {{"message", check.error().error()},
                          {"location", Location(source, FileOf(files, source))}};
  }
  return Dump(json);
}

std::string OutlineJson(const v1::CheckBuildResponse& check) {
  const v1::BuildOutline& outline = check.outline();
  Json json = Json::object();
  SetUnlessEmpty("name", outline.name(), &json);
  SetUnlessEmpty("description", outline.description(), &json);
  Json arguments = Json::array();
  for (const auto& argument : outline.arguments()) {
    Json entry = {{"name", argument.name()}};
    SetUnlessEmpty("description", argument.description(), &entry);
    SetUnlessEmpty("value", argument.value(), &entry);
    entry["location"] = Location(argument.source());
    arguments.push_back(std::move(entry));
  }
  Json caches = Json::array();
  for (const auto& cache : outline.caches()) {
    caches.push_back({{"ID", cache.id()}, {"location", Location(cache.source())}});
  }
  SetUnlessEmpty("args", std::move(arguments), &json);
  SetUnlessEmpty("secrets", SecretList(outline.secrets()), &json);
  SetUnlessEmpty("ssh", SecretList(outline.ssh()), &json);
  SetUnlessEmpty("cache", std::move(caches), &json);
  json["sources"] = {EncodeBase64(check.file().content())};
  return Dump(json);
}

std::string TargetsJson(const v1::CheckBuildResponse& check) {
  Json json = {{"targets", Json::array()}};
  for (const v1::BuildTarget& target : check.targets()) {
    Json entry = Json::object();
    SetUnlessEmpty("name", target.name(), &entry);
    if (target.is_default()) {
      entry["default"] = true;
    }
    SetUnlessEmpty("description", target.description(), &entry);
    SetUnlessEmpty("base", target.base(), &entry);
    SetUnlessEmpty("platform", target.platform(), &entry);
    entry["location"] = Location(target.source());
    json["targets"].push_back(std::move(entry));
  }
  json["sources"] = {EncodeBase64(check.file().content())};
  return Dump(json);
}

}  // namespace zlayer
