#include "backends/native/file/windows_layer.h"

#include <fmt/format.h>

#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>

#include "base/base64.h"
#include "base/status_macros.h"
#include "registry/layer/index.h"

namespace zlayer {
namespace {

constexpr char kHives[] = "Hives";
constexpr char kAttributesRecord[] = "MSWINDOWS.fileattr";
constexpr char kSecurityRecord[] = "MSWINDOWS.rawsd";
constexpr char kIsDirectory[] = "16";
constexpr char kIsToBeArchived[] = "32";

// Accounts that every Windows has, in the binary form of a SID: revision, number of parts,
// authority (48 bits, big-endian), parts (little-endian).
using namespace std::string_view_literals;
constexpr std::string_view kAdministrators =
    "\1\2\0\0\0\0\0\5\x20\0\0\0\x20\2\0\0"sv;                                  // S-1-5-32-544
constexpr std::string_view kUsers = "\1\2\0\0\0\0\0\5\x20\0\0\0\x21\2\0\0"sv;  // S-1-5-32-545
constexpr std::string_view kSystem = "\1\1\0\0\0\0\0\5\x12\0\0\0"sv;           // S-1-5-18
constexpr std::string_view kCreatorOwner = "\1\1\0\0\0\0\0\3\0\0\0\0"sv;       // S-1-3-0

// Who inherits an entry: files, directories, and not the directory itself.
constexpr uint8_t kByFiles = 1;
constexpr uint8_t kByDirectories = 2;
constexpr uint8_t kOnlyByThem = 8;

constexpr uint32_t kAll = 0x1f01ff;
constexpr uint32_t kReadAndExecute = 0x1200a9;
constexpr uint32_t kAddFile = 2;
constexpr uint32_t kAddDirectory = 4;
constexpr uint32_t kGenericAll = 0x10000000;

struct Allowed {
  std::string_view account;
  uint32_t access;
  uint8_t inherited = 0;
};

void Put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    out += static_cast<char>(value >> (8 * i));
  }
}

// A self-relative security descriptor (MS-DTYP 2.4.6) of the administrators and the system.
std::string SecurityDescriptor(std::initializer_list<Allowed> allowed) {
  constexpr int kAceHeader = 8;
  std::string entries;
  for (const Allowed& one : allowed) {
    Put(entries, 0, 1);  // "allowed"
    Put(entries, one.inherited, 1);
    Put(entries, kAceHeader + one.account.size(), 2);
    Put(entries, one.access, 4);
    entries += one.account;
  }
  constexpr uint64_t kHeader = 20;
  std::string out;
  Put(out, 1, 2);       // revision
  Put(out, 0x8004, 2);  // self-relative, has a list of access
  Put(out, kHeader, 4);
  Put(out, kHeader + kAdministrators.size(), 4);
  Put(out, 0, 4);  // audits nothing
  Put(out, kHeader + kAdministrators.size() + kSystem.size(), 4);
  out += kAdministrators;
  out += kSystem;
  Put(out, 2, 2);  // revision of the list
  Put(out, 8 + entries.size(), 2);
  Put(out, allowed.size(), 4);
  return EncodeBase64(out + entries);
}

const std::string& DirectorySecurity() {
  static const std::string* const kText = new std::string(
      SecurityDescriptor({{kAdministrators, kAll, kByFiles | kByDirectories},
                          {kSystem, kAll, kByFiles | kByDirectories},
                          {kAdministrators, kAll},
                          {kCreatorOwner, kGenericAll, kByFiles | kByDirectories | kOnlyByThem},
                          {kUsers, kReadAndExecute, kByFiles | kByDirectories},
                          {kUsers, kAddDirectory, kByDirectories},
                          {kUsers, kAddFile, kByDirectories}}));
  return *kText;
}

const std::string& FileSecurity() {
  static const std::string* const kText = new std::string(
      SecurityDescriptor({{kAdministrators, kAll}, {kSystem, kAll}, {kUsers, kReadAndExecute}}));
  return *kText;
}

// What stands there already came from a layer of Windows. Links say nothing, as BuildKit's.
void AddRecords(Entry& entry) {
  if (entry.type == EntryType::kDirectory) {
    entry.pax.emplace(kAttributesRecord, kIsDirectory);
    entry.pax.emplace(kSecurityRecord, DirectorySecurity());
  } else if (entry.type == EntryType::kFile) {
    entry.pax.emplace(kAttributesRecord, kIsToBeArchived);
    entry.pax.emplace(kSecurityRecord, FileSecurity());
  }
}

std::string InFiles(const std::string& path) { return fmt::format("{}/{}", kWindowsFiles, path); }

}  // namespace

absl::StatusOr<std::string> WindowsLayer(std::string index, int64_t now_ns) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const LayerIndex> layer,
                   LayerIndex::FromBytes(std::move(index)));
  LayerIndexBuilder builder;
  for (const char* directory : {kWindowsFiles, kHives}) {
    RETURN_IF_ERROR(builder.Add({.path = directory,
                                 .type = EntryType::kDirectory,
                                 .mode = 0755,
                                 .mtime_ns = now_ns,
                                 .pax = {{kAttributesRecord, kIsDirectory}}}));
  }
  for (size_t i = 0; i < layer->size(); ++i) {
    Entry entry = layer->At(i);
    if (entry.path.empty()) {
      continue;  // the root is a base's to describe
    }
    entry.path = InFiles(entry.path);
    if (!entry.hard_link.empty()) {
      entry.hard_link = InFiles(entry.hard_link);
    }
    AddRecords(entry);
    RETURN_IF_ERROR(builder.Add(std::move(entry)));
  }
  return builder.Serialize();
}

}  // namespace zlayer
