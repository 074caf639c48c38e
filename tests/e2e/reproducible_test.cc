// Images that do not depend on when they were built.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/strings.h"
#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::HasSubstr;

constexpr char kEpoch[] = "SOURCE_DATE_EPOCH=1600000000";
constexpr char kEpochTime[] = "2020-09-13 12:26:40";

class ReproducibleTest : public DaemonTest {
 protected:
  void SetUp() override {
    DaemonTest::SetUp();
    if (!IsSkipped()) {
      StartDaemon();
      ImportBusybox();
      WriteContext("Dockerfile",
                   "FROM busybox AS made\nRUN mkdir /d && date +%N > /dev/null && echo x > /d/f\n"
                   "FROM busybox\nCOPY file /copied/\nCOPY --from=made /d /d\n"
                   "RUN echo x > /r && rm /bin/ls && ln -s r /l\nWORKDIR /w/x\nENV A=b\n");
      WriteContext("file", "content");
    }
  }

  // Builds as `reference`, with everything made anew; returns the manifest's digest.
  std::string BuildAnew(const std::string& reference, std::vector<std::string> arguments) {
    for (const char* argument : {"--no-cache", "-t", reference.c_str()}) {
      arguments.emplace_back(argument);
    }
    return Find(Build(arguments), "build_complete").value("manifest_digest", "");
  }

  // The newest time in the tars of the image's layers but for the first, which is the base's.
  std::string NewestTime(const std::string& reference) {
    const std::string archive = Path(reference + ".tar");
    EXPECT_EQ(Zlayer({"export", "--format", "docker", "-o", archive, reference}).exit_code, 0);
    const Json manifest =
        Json::parse(Execute({"tar", "-xOf", archive, "manifest.json"}).out, nullptr, false);
    std::string newest;
    for (size_t i = 1; i < manifest[0]["Layers"].size(); ++i) {
      const std::string layer = manifest[0]["Layers"][i];
      const Finished listed =
          Execute({"sh", "-c",
                   "tar -xOf " + archive + " " + layer +
                       " | TZ=UTC tar -tv --full-time -f - | awk '{ print $4 \" \" $5 }' | sort"});
      EXPECT_EQ(listed.exit_code, 0) << listed.err;
      const std::vector<std::string_view> times = Split(Trim(listed.out), '\n');
      newest = std::max(newest, std::string(times.back()));
    }
    return newest;
  }
};

TEST_F(ReproducibleTest, ImagesOfOneEpochAreTheSame) {
  const std::vector<std::string> clamped = {"--output", "type=image,rewrite-timestamp=true",
                                            "--build-arg", kEpoch};
  const std::string first = BuildAnew("first", clamped);
  sleep(2);  // so that times in whole seconds differ
  ASSERT_EQ(Execute({"touch", Context() + "/file"}).exit_code, 0);
  EXPECT_EQ(BuildAnew("second", clamped), first);
  EXPECT_EQ(NewestTime("first"), kEpochTime);

  // Exports, and images built on it, need the same bytes after a restart.
  StopDaemon();
  StartDaemon();
  EXPECT_EQ(Zlayer({"export", "-o", Path("first.oci"), "first"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"rmi", "first", "second"}).exit_code, 0);
  ASSERT_EQ(Zlayer({"import", Path("first.oci")}).exit_code, 0);
  EXPECT_THAT(Zlayer({"inspect", "first"}).out, HasSubstr(first));
  WriteContext("Dockerfile", "FROM first\nRUN echo y > /y\n");
  Build({"-t", "derived"});
  EXPECT_GT(NewestTime("derived"), kEpochTime);

  WriteContext("Dockerfile", "FROM busybox\nRUN echo x > /x\n");
  BuildAnew("plain", {"--build-arg", kEpoch});
  EXPECT_GT(NewestTime("plain"), kEpochTime);
}

TEST_F(ReproducibleTest, OutputsAreRefusedByName) {
  const Finished no_epoch = Zlayer(
      {"build", "--progress", "plain", "-o", "type=image,rewrite-timestamp=true", Context()});
  EXPECT_EQ(no_epoch.exit_code, 0);
  EXPECT_THAT(no_epoch.out + no_epoch.err, HasSubstr("rewrite-timestamp changes nothing without"));
  const Finished unknown = Zlayer({"build", "-o", "type=image,dest=x", Context()});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("\"dest\" is not an attribute of an image"));
  for (const char* output : {"out", "type=oci,dest=x.tar"}) {
    const Finished refused = Zlayer({"build", "-o", output, Context()});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.err, HasSubstr("option outputs is not supported"));
  }
}

}  // namespace
}  // namespace zlayer::e2e
