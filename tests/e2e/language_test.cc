// The Dockerfile language, where it takes more than a conversion to see that it works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/e2e/daemon.h"
#include "tests/status_matchers.h"

namespace zlayer::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LanguageTest : public BusyboxTest {
 protected:
  // The image's configuration, as it is in an OCI layout.
  Json Configuration(const std::string& reference) {
    const std::string layout = Path("layout-" + reference);
    const Finished exported = Zlayer({"export", "--format", "oci-layout", "-o", layout, reference});
    EXPECT_EQ(exported.exit_code, 0) << exported.err;
    const Finished found =
        Execute({"sh", "-c", "cat $(grep -rl '^{.*\"rootfs\"' " + layout + "/blobs)"});
    return Json::parse(found.out, nullptr, false);
  }

  static std::vector<std::string> History(const Json& configuration) {
    std::vector<std::string> lines;
    for (const Json& entry : configuration["history"]) {
      lines.push_back((entry.value("empty_layer", false) ? "- " : "+ ") +
                      entry.value("created_by", ""));
    }
    return lines;
  }
};

TEST_F(LanguageTest, HeredocsRunAndAreCopied) {
  WriteContext("Dockerfile", R"text(FROM busybox
ARG NAME=world
RUN <<EOF
set -e
echo "hello $NAME" > /greeting
	[ "$(cat /greeting)" = "hello world" ]
EOF
RUN { cat; cat <&3; } <<-ONE 3<<TWO > /both
	one
	ONE
two $NAME
TWO
COPY --chmod=0755 <<script.sh <<'raw' /files/
#!/bin/sh
echo "$NAME"
script.sh
$NAME
raw
RUN [ "$(/files/script.sh)" = world ] && [ "$(cat /files/raw)" = '$NAME' ]
RUN --mount=type=tmpfs,target=/t <<run
#!/bin/cat
not the shell's
run
RUN [ "$(cat /both)" = "$(printf 'one\ntwo world')" ]
)text");
  Build();
}

TEST_F(LanguageTest, TriggersRunOnceAndHistoryIsBuildKits) {
  WriteContext("Dockerfile", R"(FROM busybox
ONBUILD ARG WHO=trigger
ONBUILD RUN echo $WHO > /who
ONBUILD COPY <<EOF /copied
$WHO
EOF
)");
  Build({"-t", "base"});
  const Json base = Configuration("base");
  EXPECT_EQ(base["config"]["OnBuild"].size(), 3u);
  const size_t inherited = History(base).size();

  WriteContext("Dockerfile", "FROM base\nWORKDIR /w\nUSER 1:2\nCMD [\"x\"]\n");
  Build({"-t", "child", "--build-arg", "WHO=given"});
  const Json child = Configuration("child");
  EXPECT_FALSE(child["config"].contains("OnBuild"));
  std::vector<std::string> history = History(child);
  history.erase(history.begin(), history.begin() + static_cast<std::ptrdiff_t>(inherited));
  EXPECT_THAT(history,
              ElementsAre("- ARG WHO=given", "+ RUN |1 WHO=given /bin/sh -c echo $WHO > /who",
                          "+ COPY <<EOF /copied", "+ WORKDIR /w", "- USER 1:2", "- CMD [\"x\"]"));

  WriteContext("Dockerfile", "FROM child\nRUN grep given /who && grep given /copied\n");
  Build();
}

TEST_F(LanguageTest, ProxiesReachRunsAndNoKey) {
  WriteContext("Dockerfile",
               "FROM busybox\nRUN [ \"$http_proxy$HTTP_PROXY\" = pp ] && echo x > /once\n");
  const std::vector<Json> first = Build({"--build-arg", "http_proxy=p"});
  EXPECT_THAT(Executed(first), ElementsAre(HasSubstr("RUN")));
  const std::vector<Json> second = Build({"--build-arg", "HTTP_PROXY=other"});
  EXPECT_THAT(Executed(second), IsEmpty());
  WriteContext("Dockerfile", "FROM busybox\nARG HTTP_PROXY\nRUN [ \"$http_proxy\" != q ]\n");
  Build({"--build-arg", "HTTP_PROXY=p"});
  EXPECT_THAT(Executed(Build({"--build-arg", "HTTP_PROXY=r"})), ElementsAre(HasSubstr("RUN")));
}

TEST_F(LanguageTest, NamedContextsReplaceStages) {
  WriteContext("Dockerfile",
               "FROM busybox AS files\nRUN false\nFROM files AS all\nFROM busybox\n"
               "COPY --from=all /a /a\nRUN grep hello /a\n");
  ASSERT_EQ(Execute({"sh", "-c", "mkdir " + Path("more") + " && echo hello > " + Path("more/a")})
                .exit_code,
            0);
  Build({"--build-context", "files=" + Path("more")});
}

TEST_F(LanguageTest, ErrorsOfTriggersAreAtTheirFrom) {
  WriteContext("Dockerfile", "FROM busybox\nONBUILD RUN exit 3\n");
  Build({"-t", "base"});
  WriteContext("Dockerfile", "FROM busybox\n\nFROM base\n");
  const Finished failed = Zlayer({"build", "--progress", "plain", Context()});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_THAT(failed.err, HasSubstr("Dockerfile:3: "));
}

TEST_F(LanguageTest, NoTimeOfAnImageIsLaterThanItsEpoch) {
  WriteContext("Dockerfile", "FROM busybox\nENV A=1\nRUN echo x > /x\n");
  Build({"-t", "dated", "--build-arg", "SOURCE_DATE_EPOCH=1600000000"});
  const Json configuration = Configuration("dated");
  EXPECT_EQ(configuration["created"], "2020-09-13T12:26:40Z");
  ASSERT_FALSE(configuration["history"].empty());
  for (const Json& entry : configuration["history"]) {
    EXPECT_LE(entry.value("created", ""), "2020-09-13T12:26:40Z");
  }
}

}  // namespace
}  // namespace zlayer::e2e
