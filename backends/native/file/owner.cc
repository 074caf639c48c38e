#include "backends/native/file/owner.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/errors.h"
#include "base/status_macros.h"
#include "base/strings.h"

namespace zlayer {
namespace {

// An id that a system call takes (-1 means "none" to it).
std::optional<uint32_t> ParseId(std::string_view text) {
  const std::optional<uint64_t> id = ParseUint(text);
  if (!id.has_value() || *id >= UINT32_MAX) {
    return std::nullopt;
  }
  return static_cast<uint32_t>(*id);
}

struct PasswdEntry {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::string name;
  std::string home;
};

// The entry of a name or, failing that, of a number.
std::optional<PasswdEntry> FindUser(std::string_view passwd, std::string_view name,
                                    std::optional<uint32_t> number) {
  std::optional<PasswdEntry> by_number;
  for (std::string_view line : Split(passwd, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() < 4) {
      continue;
    }
    const std::optional<uint32_t> uid = ParseId(fields[2]);
    const std::optional<uint32_t> gid = ParseId(fields[3]);
    if (!uid.has_value() || !gid.has_value()) {
      continue;
    }
    PasswdEntry entry{.uid = *uid,
                      .gid = *gid,
                      .name = std::string(fields[0]),
                      .home = std::string(fields.size() > 5 ? fields[5] : "")};
    if (fields[0] == name) {
      return entry;
    }
    if (number == uid && !by_number.has_value()) {
      by_number = std::move(entry);
    }
  }
  return by_number;
}

std::optional<uint32_t> FindGroup(std::string_view group, std::string_view name) {
  for (std::string_view line : Split(group, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() >= 3 && fields[0] == name) {
      return ParseId(fields[2]);
    }
  }
  return std::nullopt;
}

// The groups that list `user` as a member, in ascending order.
std::vector<uint32_t> GroupsOf(std::string_view group, std::string_view user) {
  std::vector<uint32_t> gids;
  for (std::string_view line : Split(group, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() < 4) {
      continue;
    }
    const std::vector<std::string_view> members = Split(fields[3], ',');
    const std::optional<uint32_t> gid = ParseId(fields[2]);
    if (gid.has_value() && std::find(members.begin(), members.end(), user) != members.end()) {
      gids.push_back(*gid);
    }
  }
  std::sort(gids.begin(), gids.end());
  gids.erase(std::unique(gids.begin(), gids.end()), gids.end());
  return gids;
}

absl::StatusOr<uint32_t> ResolveGroup(const Filesystem& filesystem, std::string_view text) {
  if (const std::optional<uint32_t> number = ParseId(text); number.has_value()) {
    return *number;
  }
  ASSIGN_OR_RETURN(const std::string group, filesystem.ReadSmallFile("etc/group"));
  const std::optional<uint32_t> gid = FindGroup(group, text);
  if (!gid.has_value()) {
    return NotFound(fmt::format("the image's /etc/group has no group \"{}\"", text));
  }
  return *gid;
}

absl::StatusOr<PasswdEntry> ResolvePasswd(const Filesystem& filesystem, std::string_view text,
                                          uint32_t gid_of_a_number) {
  const std::optional<uint32_t> number = ParseId(text);
  ASSIGN_OR_RETURN(const std::string passwd, filesystem.ReadSmallFile("etc/passwd"));
  if (std::optional<PasswdEntry> entry = FindUser(passwd, text, number); entry.has_value()) {
    return *std::move(entry);
  }
  if (text == "root") {
    return PasswdEntry{.name = "root", .home = "/root"};
  }
  if (!number.has_value()) {
    return NotFound(fmt::format("the image's /etc/passwd has no user \"{}\"", text));
  }
  return PasswdEntry{.uid = *number, .gid = gid_of_a_number, .name = "", .home = ""};
}

}  // namespace

absl::StatusOr<Owner> ResolveOwner(const Filesystem& filesystem, std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view user = text.substr(0, colon);
  Owner owner;
  if (const std::optional<uint32_t> number = ParseId(user); number.has_value()) {
    owner = {.uid = *number, .gid = *number};
  } else if (!user.empty()) {
    ASSIGN_OR_RETURN(const PasswdEntry entry, ResolvePasswd(filesystem, user, 0));
    owner = {.uid = entry.uid, .gid = entry.gid};
  }
  if (colon != std::string_view::npos && colon + 1 < text.size()) {
    ASSIGN_OR_RETURN(owner.gid, ResolveGroup(filesystem, text.substr(colon + 1)));
  }
  return owner;
}

absl::StatusOr<Owner> ParseNumericOwner(std::string_view text) {
  for (std::string_view part : Split(text, ':')) {
    if (!part.empty() && !ParseId(part).has_value()) {
      return FailedPrecondition(
          fmt::format("with --link the owner \"{}\" must be given in numbers: the layer is made "
                      "without the stage's /etc/passwd and /etc/group",
                      text));
    }
  }
  return ResolveOwner(Filesystem(), text);
}

absl::StatusOr<ProcessUser> ResolveUser(const Filesystem& filesystem, std::string_view text) {
  const size_t colon = text.find(':');
  std::string_view name = text.substr(0, colon);
  if (name.empty()) {
    name = "0";
  }
  ASSIGN_OR_RETURN(const PasswdEntry entry, ResolvePasswd(filesystem, name, 0));
  ProcessUser user{.uid = entry.uid, .gid = entry.gid, .additional_gids = {}, .home = entry.home};
  if (user.home.empty()) {
    user.home = user.uid == 0 ? "/root" : "/";
  }
  if (colon != std::string_view::npos && colon + 1 < text.size()) {
    ASSIGN_OR_RETURN(user.gid, ResolveGroup(filesystem, text.substr(colon + 1)));
  } else if (!entry.name.empty()) {
    ASSIGN_OR_RETURN(const std::string group, filesystem.ReadSmallFile("etc/group"));
    user.additional_gids = GroupsOf(group, entry.name);
  }
  return user;
}

}  // namespace zlayer
