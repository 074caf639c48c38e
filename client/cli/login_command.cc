#include <spdlog/fmt/fmt.h>
#include <termios.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/errors.h"
#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/lib/credentials.h"
#include "client/lib/stoppable_reader.h"

namespace zlayer {
namespace {

constexpr size_t kMaxPassword = size_t{64} << 10;
constexpr size_t kMaxUser = 4096;

struct Options {
  std::string registry;
  std::string user;
  bool password_stdin = false;
};

// While it lives, the terminal on stdin does not show what is typed.
class NoEcho {
 public:
  NoEcho() {
    if (tcgetattr(STDIN_FILENO, &before_) == 0) {
      termios hidden = before_;
      hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
      changed_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
    }
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() {
    if (changed_) {
      tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
  }

 private:
  termios before_ = {};
  bool changed_ = false;
};

// A line that is typed.
absl::StatusOr<std::string> ReadLine(StoppableReader& reader, size_t limit) {
  std::string line;
  char c = 0;
  while (line.size() <= limit) {
    ASSIGN_OR_RETURN(const size_t count, reader.Read(&c, 1));
    if (count == 0 || c == '\n') {
      return line;
    }
    line += c;
  }
  return InvalidArgument(fmt::format("that is longer than {} bytes", limit));
}

absl::Status AskUser(StoppableReader& reader, std::string* user) {
  if (!user->empty()) {
    return absl::OkStatus();
  }
  Print("Username: ");
  ASSIGN_OR_RETURN(*user, ReadLine(reader, kMaxUser));
  return absl::OkStatus();
}

absl::StatusOr<std::string> AskPassword(StoppableReader& reader) {
  Print("Password: ");
  absl::StatusOr<std::string> password;
  {
    NoEcho no_echo;
    password = ReadLine(reader, kMaxPassword);
  }
  Print("\n");
  return password;
}

absl::StatusOr<std::string> PasswordOfStdin(StoppableReader& reader) {
  ASSIGN_OR_RETURN(std::string password, reader.ReadAll(kMaxPassword));
  for (const char end : {'\n', '\r'}) {
    if (password.ends_with(end)) {
      password.pop_back();
    }
  }
  return password;
}

absl::Status CheckText(const v1::RegistryCredential& credential) {
  const auto has_control = [](std::string_view text) {
    return text.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos;
  };
  if (credential.username().empty() || credential.username().find(':') != std::string::npos ||
      has_control(credential.username())) {
    return InvalidArgument("a user name is not empty and has no colon and no line break");
  }
  if (credential.password().empty() || has_control(credential.password())) {
    return InvalidArgument("a password is not empty and has no line break and no NUL byte");
  }
  return absl::OkStatus();
}

// Whether the registry takes them: the daemon asks it.
absl::Status CheckWithRegistry(Session& session, const v1::RegistryCredential& credential) {
  ASSIGN_OR_RETURN(Connection * connection, session.connection());
  v1::CheckCredentialsRequest request;
  *request.mutable_credential() = credential;
  return Call(*connection, connection->registries(),
              &v1::RegistryService::StubInterface::CheckCredentials, request, kCallTimeout,
              session.stop())
      .status();
}

absl::Status Login(Session& session, Options options) {
  v1::RegistryCredential credential;
  ASSIGN_OR_RETURN(*credential.mutable_registry(), RegistryName(options.registry));
  StoppableReader reader(STDIN_FILENO, session.stop());
  if (options.password_stdin) {
    if (options.user.empty()) {
      return UsageError("--password-stdin needs the user's name: --username USER");
    }
    ASSIGN_OR_RETURN(*credential.mutable_password(), PasswordOfStdin(reader));
  } else {
    if (isatty(STDIN_FILENO) == 0) {
      return UsageError("there is no terminal to type a password: pass it with --password-stdin");
    }
    RETURN_IF_ERROR(AskUser(reader, &options.user));
    ASSIGN_OR_RETURN(*credential.mutable_password(), AskPassword(reader));
  }
  credential.set_username(options.user);
  RETURN_IF_ERROR(CheckText(credential));
  RETURN_IF_ERROR(CheckWithRegistry(session, credential));
  ASSIGN_OR_RETURN(const std::vector<std::string> files, CredentialFiles());
  ASSIGN_OR_RETURN(const StoredCredential stored,
                   SaveCredentials(files, credential, session.stop()));
  Print(fmt::format("Stored for {} in {}\n", credential.registry(), stored.place));
  if (!stored.encrypted) {
    PrintError("note: it is not encrypted there; a credential helper (credsStore) keeps it safer");
  }
  return absl::OkStatus();
}

absl::Status Logout(Session& session, const std::string& text) {
  ASSIGN_OR_RETURN(const std::string registry, RegistryName(text));
  ASSIGN_OR_RETURN(const std::vector<std::string> files, CredentialFiles());
  ASSIGN_OR_RETURN(const bool erased, EraseCredentials(files, registry, session.stop()));
  Print(erased ? fmt::format("Removed the credentials of {}\n", registry)
               : fmt::format("There were no credentials of {}\n", registry));
  ASSIGN_OR_RETURN(const std::optional<FoundCredential> left,
                   FindCredentials(files, registry, "", session.stop()));
  if (left.has_value()) {
    PrintError(fmt::format("note: {} still has some, which zlayer uses", left->source));
  }
  return absl::OkStatus();
}

}  // namespace

void AddLoginCommands(Command& root) {
  Command login = root.Sub("login", "Store the credentials of a registry, where docker has them",
                           "zlayer login registry.example -u me --password-stdin <password.txt");
  auto options = std::make_shared<Options>();
  login.Argument({"REGISTRY", "", "Its host, and the port where it needs one"}, &options->registry)
      .Option({"-u,--username", "USER", "Name of the user; asked for where it is missing"},
              &options->user)
      .Flag({"--password-stdin", "", "Read the password from stdin, not from the terminal"},
            &options->password_stdin);
  login.Run([options](Session& session) { return Login(session, *options); });

  Command logout =
      root.Sub("logout", "Remove the credentials of a registry", "zlayer logout registry.example");
  auto registry = std::make_shared<std::string>();
  logout.Argument({"REGISTRY", "", "Its host, and the port where it needs one"}, registry.get());
  logout.Run([registry](Session& session) { return Logout(session, *registry); });
}

}  // namespace zlayer
