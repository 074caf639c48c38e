#include "base/suggest.h"

#include <gtest/gtest.h>

namespace zlayer {
namespace {

TEST(SuggestTest, NamesOnlyWhatIsNear) {
  EXPECT_EQ(Suggestion("wrokdir", {"WORKDIR", "RUN"}), "; did you mean WORKDIR?");
  EXPECT_EQ(Suggestion("--buildarg", {"--build-context", "--build-arg"}),
            "; did you mean --build-arg?");
  EXPECT_EQ(Suggestion("biuld", {"builds", "build"}), "; did you mean build?");
  EXPECT_EQ(Suggestion("lgos", {"logs", "ls"}), "; did you mean logs?");
  EXPECT_EQ(Suggestion("logs", {"logs", "ls"}), "; did you mean logs?");
  EXPECT_EQ(Suggestion("xyz", {"RUN", "ENV"}), "");
  EXPECT_EQ(Suggestion(std::string(100'000, 'x'), {"RUN"}), "");
}

}  // namespace
}  // namespace zlayer
