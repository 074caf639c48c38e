#include "client/cli/plan_text.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

namespace zlayer {
namespace {

std::string TextOf(const std::string& text) {
  v1::PlanBuildResponse plan;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &plan));
  return PlanText(plan);
}

TEST(PlanTextTest, StagesOfNestedBuildsAreOfThose) {
  v1::PlanBuildResponse plan;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        graph {
          stages {
            name: "one"
            build: "deps"
            base_text: "scratch"
            operations {
              source { file: "deps/Dockerfile" first_line: 3 }
              scratch {}
            }
          }
          stages {
            base_text: "build: deps"
            operations {
              source { file: "ZImagefile" first_line: 3 }
              stage { stage: 0 }
            }
          }
          targets: 1
        }
        plan { stages { index: 0 } stages { index: 1 } }
      )pb",
      &plan));
  FileStage own;
  own.base = "build:";
  own.source.set_file("ZImagefile");
  own.source.set_first_line(3);
  EXPECT_EQ(PlanText(plan, {own}),
            "stage 0 \"deps: one\" FROM scratch\n"
            "stage 1 FROM build: deps, the target\n"
            "                     from stage 0 \"deps: one\"\n");
}

TEST(PlanTextTest, ShowsStagesAndWhereTheyAreFrom) {
  EXPECT_EQ(TextOf(R"pb(
              graph {
                stages {
                  name: "deps"
                  base_text: "golang:1.22"
                  platform { os: "linux" architecture: "amd64" }
                  operations {
                    source { file: "Dockerfile" first_line: 1 last_line: 1 }
                    text: "FROM golang:1.22 AS deps"
                    image { reference: "docker.io/library/golang:1.22" digest: "sha256:01" }
                  }
                  operations {
                    source { file: "Dockerfile" first_line: 2 last_line: 4 }
                    text: "RUN make"
                    run {}
                  }
                }
                stages { name: "docs" base_text: "alpine" }
                stages {
                  base_text: "deps"
                  platform { os: "linux" architecture: "arm" variant: "v7" }
                  operations { stage { stage: 0 } }
                  operations {
                    source { file: "Dockerfile" first_line: 10 }
                    text: "COPY --from=deps /a /b /c/"
                    copy {
                      sources {
                        from { stage: 0 }
                        path: "a"
                      }
                      sources {
                        from { stage: 0 }
                        path: "b"
                      }
                    }
                  }
                  operations {
                    source { file: "Dockerfile" first_line: 11 }
                    text: "COPY --from=tools /t /t"
                    copy { sources { from { image { reference: "tools" digest: "sha256:02" } } } }
                  }
                  operations { text: "CMD true" }
                }
                targets: 2
              }
              plan {
                stages { index: 0 }
                stages { index: 2 }
              }
              warnings {
                rule: "Odd"
                message: "this is odd"
                source { file: "Dockerfile" first_line: 3 }
              }
              warnings { message: "so is this" })pb"),
            R"(stage 0 "deps" FROM golang:1.22, linux/amd64
                  docker.io/library/golang:1.22@sha256:01
  Dockerfile:2-4  RUN make
stage 1 "docs" FROM alpine: not needed
stage 2 FROM deps, linux/arm/v7, the target
                  from stage 0 "deps"
  Dockerfile:10   COPY --from=deps /a /b /c/
                  from stage 0 "deps"
  Dockerfile:11   COPY --from=tools /t /t
                  from tools@sha256:02
                  CMD true
warning: Dockerfile:3: this is odd (Odd)
warning: so is this
)");
}

FileStage StageAt(const std::string& name, uint32_t line) {
  FileStage stage{name, "alpine", {}};
  stage.source.set_file("Dockerfile");
  stage.source.set_first_line(line);
  return stage;
}

TEST(PlanTextTest, StagesOfTheFileThatAreNotInTheGraphAreNotNeeded) {
  v1::PlanBuildResponse plan;
  for (uint32_t line : {3, 7}) {
    v1::Stage* stage = plan.mutable_graph()->add_stages();
    stage->set_base_text("alpine");
    stage->add_operations()->mutable_source()->set_first_line(line);
    stage->mutable_operations(0)->mutable_scratch();
    plan.mutable_plan()->add_stages()->set_index(line == 3 ? 0 : 1);
  }
  EXPECT_EQ(PlanText(plan, {StageAt("a", 1), StageAt("b", 3), StageAt("", 5), StageAt("d", 7),
                            StageAt("e", 9)}),
            R"(stage "a" FROM alpine, Dockerfile:1: not needed
stage 0 FROM alpine
stage FROM alpine, Dockerfile:5: not needed
stage 1 FROM alpine
stage "e" FROM alpine, Dockerfile:9: not needed
)");
}

TEST(PlanTextTest, AStageThatIsNotThereIsNoHarm) {
  EXPECT_EQ(TextOf("graph { stages { operations { stage { stage: 7 } } } } plan { stages {} }"),
            "stage 0\n    from stage 7\n");
}

}  // namespace
}  // namespace zlayer
