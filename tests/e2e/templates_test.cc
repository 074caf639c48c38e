// Runtime templates but those for Windows (windows_test.cc): each is built on stand-ins for its base
// images, which are busybox with scripts in the place of npm, pip, cargo and the like
// (testdata/stand_ins). They check how they are
// called, and "compile" a program into one that prints its own text.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct StandIn {
  std::string image;
  std::string tools;  // of testdata/stand_ins, by their names
};

class TemplatesTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    if (!IsSkipped()) {
      StartDaemon();
    }
  }

  // Imports busybox with these tools, and the users that the images bring.
  void Import(const StandIn& stand_in) {
    const Finished made =
        Execute({"sh", "-ec", R"(
      mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/root/.cache" "$1/usr/local/bin" "$1/deno-dir"
      cp /bin/busybox "$1/bin/busybox"
      for applet in $(/bin/busybox --list); do
        [ "$applet" = busybox ] || ln -sf busybox "$1/bin/$applet"
      done
      for tool in $2; do
        cp "tests/e2e/testdata/stand_ins/$tool" "$1/usr/local/bin/"
      done
      id=1000
      for name in root node bun deno nginx; do
        [ "$name" = root ] && n=0 || n=$((id += 1))
        echo "$name:x:$n:$n::/root:/bin/sh" >> "$1/etc/passwd"
        echo "$name:x:$n:" >> "$1/etc/group"
      done
      case " $2 " in *" dotnet "*) echo 'app:x:1654:1654::/root:/bin/sh' >> "$1/etc/passwd" ;; esac
      tar -C "$1" --sort=name --mtime=@1700000000 -cf "$1.tar" .)",
                 "sh", Path(fmt::format("stand-in-{}", ++stand_ins_)), stand_in.tools});
    ASSERT_EQ(made.exit_code, 0) << made.err;
    const Finished imported =
        Zlayer({"import", Path(fmt::format("stand-in-{}.tar", stand_ins_)), stand_in.image});
    ASSERT_EQ(imported.exit_code, 0) << imported.err;
  }

  // Takes the example project of that name as the build context.
  void UseExample(const std::string& name) {
    const Finished copied =
        Execute({"sh", "-ec",
                 "rm -rf \"$2\" && cp -rL deploy/examples/templates/\"$1\" \"$2\" && "
                 "chmod -R u+w \"$2\"",
                 "sh", name, Context()});
    ASSERT_EQ(copied.exit_code, 0) << copied.err;
  }

  // What the image's command prints, and then the id of the user that it runs as.
  std::string RunImage(const std::string& image) {
    const Finished inspected = Zlayer({"inspect", "--format", "json", image});
    EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
    const Json words = Json::parse(inspected.out, nullptr, false)["config"]["cmd"]["words"];
    const Finished ran = Zlayer(
        {"build", "--progress", "json", "-f", "-", Path("empty")},
        fmt::format(
            "FROM {}\nENV ATTEMPT={}\nRUN {}\nRUN [\"/bin/sh\", \"-c\", \"echo user $(id -u); "
            "find /app /usr/share/nginx -name .env 2> /dev/null; true\"]\n",
            image, ++attempts_, words.dump()));
    EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
    std::string output;
    for (const Json& event : ParseEvents(ran.out)) {
      if (event.contains("output")) {
        const Finished decoded =
            Execute({"base64", "-d"}, event["output"]["data"].get<std::string>());
        output += decoded.out;
      }
    }
    return output;
  }

 private:
  int stand_ins_ = 0;
  int attempts_ = 0;
};

struct Case {
  std::string runtime;
  std::string example;
  std::vector<StandIn> images;
  std::string reason;           // what `auto` says; empty: it would find another one
  std::string source;           // a file that is no list of dependencies
  std::string dependency_step;  // does not run again when `source` changes
  std::string output;           // of the image's command
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.runtime; }

Case Node(const std::string& version, const std::string& reason) {
  return {"node" + version,
          "node",
          {{"node:" + version + "-alpine", "node npm yarn pnpm corepack install-packages"}},
          reason,
          "index.js",
          "install-dependencies production",
          "installed by npm ci --omit=dev"};
}

Case Python(const std::string& version, const std::string& tag, const std::string& reason) {
  return {"python" + version,
          "python",
          {{"python:" + tag + "-slim", "python pip apt-get useradd uv poetry pipenv"}},
          reason,
          "main.py",
          "target=/root/.cache <<'EOS'",
          "pip install -r requirements.txt:"};
}

class EachTemplate : public TemplatesTest, public ::testing::WithParamInterface<Case> {};

TEST_P(EachTemplate, MakesAnImageThatRuns) {
  const Case& test = GetParam();
  for (const StandIn& stand_in : test.images) {
    Import(stand_in);
  }
  ASSERT_OK(MakeDirectories(Path("empty")));
  UseExample(test.example);
  WriteContext(".env", "PASSWORD=secret");

  const Finished check = Zlayer({"check", "--runtime", test.runtime, Context()});
  EXPECT_EQ(check.out, "runtime:" + test.runtime + ": no finding\n") << check.err;

  const std::vector<Json> first = Build({"--runtime", test.runtime, "-t", "app"});
  EXPECT_FALSE(Find(first, "build_complete").is_null());
  if (!test.dependency_step.empty()) {
    EXPECT_THAT(Executed(first), Contains(HasSubstr(test.dependency_step)));
  }
  const std::string output = RunImage("app");
  EXPECT_THAT(output, AllOf(HasSubstr("hello from "), HasSubstr(test.output)));
  EXPECT_THAT(output, AllOf(HasSubstr("user 1"), Not(HasSubstr(".env"))));

  EXPECT_THAT(Executed(Build({"--runtime", test.runtime})), testing::IsEmpty());
  const Finished changed =
      Execute({"sed", "-i", "s/hello from/hello again from/", Context() + "/" + test.source});
  ASSERT_EQ(changed.exit_code, 0) << changed.err;
  const std::vector<std::string> again = Executed(Build({"--runtime", test.runtime, "-t", "app"}));
  EXPECT_THAT(again, Not(testing::IsEmpty()));
  if (!test.dependency_step.empty()) {
    EXPECT_THAT(again, Not(Contains(HasSubstr(test.dependency_step))));
  }
  EXPECT_THAT(RunImage("app"), HasSubstr("hello again from "));
  EXPECT_THAT(TemporaryFiles(), testing::IsEmpty());
}

TEST_P(EachTemplate, IsFound) {
  const Case& test = GetParam();
  if (test.reason.empty()) {
    return;
  }
  for (const StandIn& stand_in : test.images) {
    Import(stand_in);
  }
  UseExample(test.example);
  const Finished plan = Zlayer({"plan", "--runtime", "auto", Context()});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_EQ(plan.err, "runtime " + test.runtime + ": " + test.reason + "\n");
}

const StandIn kAlpine = {"alpine:3", "adduser apk"};
const StandIn kJava = {"eclipse-temurin:21-jre-alpine", "adduser java"};

INSTANTIATE_TEST_SUITE_P(
    Templates, EachTemplate,
    ::testing::Values(Node("20", ""), Node("22", ""),
                      Node("24", "package.json, which asks for Node >=20"),
                      Python("312", "3.12", ""),
                      Python("313", "3.13",
                             "requirements.txt, and .python-version asks for Python 3.13"),
                      Python("314", "3.14", ""),
                      Case{"go",
                           "go",
                           {{"golang:1-alpine", "go apk"}, kAlpine},
                           "go.mod, which asks for Go 1.23",
                           "main.go",
                           "go mod download",
                           "package main"},
                      Case{"rust",
                           "rust",
                           {{"rust:1-alpine", "cargo apk"}, kAlpine},
                           "Cargo.toml",
                           "src/main.rs",
                           "COPY --parents",
                           "fn main()"},
                      Case{"deno",
                           "deno",
                           {{"denoland/deno:alpine", "deno"}},
                           "deno.json",
                           "main.ts",
                           "deno install",
                           "installed"},
                      Case{"bun",
                           "bun",
                           {{"oven/bun:1-alpine", "bun"}},
                           "package.json and bun.lock",
                           "index.ts",
                           "install/cache <<'EOS'",
                           "bun install --frozen-lockfile --production"},
                      Case{"java-maven",
                           "java-maven",
                           {{"maven:3-eclipse-temurin-21", "mvn"}, kJava},
                           "pom.xml",
                           "src/main/java/Hello.java",
                           "go-offline",
                           "public class Hello"},
                      Case{"java-gradle",
                           "java-gradle",
                           {{"gradle:jdk21-alpine", "gradle"}, kJava},
                           "build.gradle.kts",
                           "src/main/java/Hello.java",
                           "run-gradle dependencies",
                           "public class Hello"},
                      Case{"dotnet",
                           "dotnet",
                           {{"mcr.microsoft.com/dotnet/sdk:10.0-alpine", "dotnet"},
                            {"mcr.microsoft.com/dotnet/aspnet:10.0-alpine", "dotnet"}},
                           "Hello.csproj",
                           "Program.cs",
                           "COPY --parents",
                           "dotnet restore ./Hello.csproj"},
                      Case{"static",
                           "static",
                           {{"nginxinc/nginx-unprivileged:stable-alpine", "nginx"}},
                           "index.html",
                           "index.html",
                           "",
                           "<!DOCTYPE html>"}),
    [](const auto& info) {
      std::string name = info.param.runtime;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// The lock files of a language, and what the image's command prints of how they were used.
TEST_F(TemplatesTest, NodesLockFilesChooseTheProgram) {
  Import(Node("24", "").images[0]);
  ASSERT_OK(MakeDirectories(Path("empty")));
  struct {
    std::vector<std::string> files;
    std::string output;
  } const cases[] = {
      {{"pnpm-lock.yaml"}, "installed by pnpm install --frozen-lockfile --prod\n"},
      {{"yarn.lock"}, "installed by yarn install --frozen-lockfile --production\n"},
      {{"yarn.lock", ".yarnrc.yml"}, "installed by yarn workspaces focus --all --production\n"},
      {{}, "installed by npm install --omit=dev\n"},
  };
  for (const auto& test : cases) {
    UseExample("node");
    ASSERT_EQ(Execute({"rm", Context() + "/package-lock.json"}).exit_code, 0);
    for (const std::string& file : test.files) {
      WriteContext(file, "");
    }
    WriteContext(".npmrc", "//registry.example/:_authToken=secret\n");
    WriteContext("package.json", R"({"scripts": {"build": "make"}})");
    Build({"--runtime", "node", "-t", "app"});
    EXPECT_THAT(RunImage("app"), AllOf(HasSubstr(test.output), HasSubstr("built\n")));
    WriteContext("Dockerfile", "FROM app\nRUN [\"/bin/sh\", \"-c\", \"test ! -e .npmrc\"]\n");
    Build();
  }
}

TEST_F(TemplatesTest, PythonsFilesChooseTheProgram) {
  Import(Python("314", "3.14", "").images[0]);
  ASSERT_OK(MakeDirectories(Path("empty")));
  struct {
    std::string file;
    std::string text;
    std::string output;
  } const cases[] = {
      {"uv.lock", "", "uv sync --frozen --no-dev --no-install-project\n"},
      {"poetry.lock", "", "poetry install --only main --no-root --no-interaction\n"},
      {"Pipfile.lock", "", "pipenv sync\n"},
      {"pyproject.toml", "[project]\ndependencies = [\"flask\"]\n",
       "pip install -r /tmp/requirements.txt:\nflask\n"},
      {"setup.py", "", "pip install .\n"},
  };
  for (const auto& test : cases) {
    UseExample("python");
    ASSERT_EQ(Execute({"rm", Context() + "/requirements.txt"}).exit_code, 0);
    WriteContext(test.file, test.text);
    Build({"--runtime", "python", "-t", "app"});
    EXPECT_THAT(RunImage("app"), HasSubstr(test.output));
  }
}

TEST_F(TemplatesTest, OneOfSeveralProgramsIsChosen) {
  Import({"golang:1-alpine", "go apk"});
  Import({"rust:1-alpine", "cargo apk"});
  Import(kAlpine);
  ASSERT_OK(MakeDirectories(Path("empty")));
  WriteContext("go.mod", "module example.org/hello\n");
  WriteContext("cmd/a/main.go", "hello from a");
  Build({"--runtime", "go", "-t", "app"});
  EXPECT_THAT(RunImage("app"), HasSubstr("hello from a"));
  WriteContext("cmd/b/main.go", "hello from b");
  Finished built = Zlayer({"build", "--runtime", "go", "--progress", "plain", Context()});
  EXPECT_EQ(built.exit_code, 1);
  EXPECT_THAT(built.out, HasSubstr("choose one program with --build-arg PACKAGE=...:"));
  EXPECT_THAT(built.err, StartsWith("runtime:go:"));
  Build({"--runtime", "go", "-t", "app", "--build-arg", "PACKAGE=./cmd/b"});
  EXPECT_THAT(RunImage("app"), HasSubstr("hello from b"));

  UseExample("rust");
  WriteContext("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n");
  for (const std::string name : {"a", "b"}) {
    WriteContext(name + "/Cargo.toml", "[package]\nname = \"" + name + "\"\n");
    WriteContext(name + "/src/main.rs", "hello from " + name);
  }
  ASSERT_EQ(Execute({"rm", "-r", Context() + "/src"}).exit_code, 0);
  built = Zlayer({"build", "--runtime", "rust", "--progress", "plain", Context()});
  EXPECT_THAT(built.out, HasSubstr("choose one program with --build-arg BIN=...:"));
  Build({"--runtime", "rust", "-t", "app", "--build-arg", "BIN=b"});
  EXPECT_THAT(RunImage("app"), HasSubstr("hello from b"));
}

TEST_F(TemplatesTest, ProjectsOfDotnetMayLieDeeper) {
  for (const char* image : {"sdk", "aspnet"}) {
    Import({fmt::format("mcr.microsoft.com/dotnet/{}:10.0-alpine", image), "dotnet"});
  }
  ASSERT_OK(MakeDirectories(Path("empty")));
  WriteContext("All.sln", "");
  WriteContext("src/App/App.csproj", "<Project/>");
  WriteContext("src/App/packages.lock.json", "{}");
  WriteContext("src/App/Program.cs", "hello from app\n");
  WriteContext("test/App.Tests/App.Tests.csproj", "<Project/>");
  Build({"--runtime", "auto", "-t", "app"});
  EXPECT_THAT(RunImage("app"),
              HasSubstr("hello from app\ndotnet restore --locked-mode ./src/App/App.csproj\n"));
}

TEST_F(TemplatesTest, TheDaemonLooksIntoArchives) {
  Import({"nginxinc/nginx-unprivileged:stable-alpine", "nginx"});
  ASSERT_OK(MakeDirectories(Path("empty")));
  UseExample("static");
  WriteContext(".env", "PASSWORD=secret");
  const std::string tar = Execute({"tar", "-C", Context(), "-c", "."}).out;
  const Finished built = Zlayer({"build", "--runtime-auto", "-t", "app", "-"}, tar);
  EXPECT_EQ(built.exit_code, 0) << built.err;
  EXPECT_THAT(RunImage("app"), HasSubstr("hello from static"));
  WriteContext("Dockerfile",
               "FROM app\nWORKDIR /usr/share/nginx/html\n"
               "RUN [\"/bin/sh\", \"-c\", \"test -e index.html && test ! -e .env\"]\n");
  Build();

  const std::string other = Execute({"tar", "-C", Path("empty"), "-c", "."}).out;
  const Finished failed = Zlayer({"build", "--runtime", "auto", "-"}, other);
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("no runtime template fits"));
}

TEST_F(TemplatesTest, OnlyWhatIsSelectedTravels) {
  Import(Python("314", "3.14", "").images[0]);
  UseExample("python");
  WriteContext(".git/objects/large", std::string(1 << 20, 'x'));
  const Finished built = Zlayer({"build", "--runtime", "python", "--progress", "plain",
                                 "--metadata-file", Path("m"), Context()});
  EXPECT_EQ(built.exit_code, 0) << built.err;
  EXPECT_THAT(built.out, HasSubstr("context: 3 files, "));
}

TEST_F(TemplatesTest, MistakesAreSentences) {
  WriteContext("Dockerfile", "FROM scratch\n");
  Finished failed = Zlayer({"build", "--runtime", "node2", Context()});
  EXPECT_EQ(failed.exit_code, 2);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("no runtime template \"node2\"; did you mean node"),
                                HasSubstr("python313")));
  failed = Zlayer({"build", "--runtime", "wasm", Context()});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, StartsWith("runtime wasm is not supported"));
  failed = Zlayer({"plan", "--runtime", "go", "-f", "Dockerfile", Context()});
  EXPECT_EQ(failed.exit_code, 2);
  failed = Zlayer({"check", "--runtime", "auto", Context()});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("package.json"));
}

}  // namespace
}  // namespace zlayer::e2e
