// A build plan for people.
#ifndef ZLAYER_CLIENT_CLI_PLAN_TEXT_H_
#define ZLAYER_CLIENT_CLI_PLAN_TEXT_H_

#include <string>
#include <vector>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

// A stage as the build file has it.
struct FileStage {
  std::string name;  // empty for none
  std::string base;
  v1::SourceRange source;  // of its FROM
};

// The stages in the order of the graph, each with its base and its operations below it, in front of
// them the lines of the build file that they are from; then the warnings:
//
//   stage 0 "deps" FROM golang:1.22, linux/amd64
//                   docker.io/library/golang:1.22@sha256:0123...
//     Dockerfile:2  RUN go install
//   stage "docs" FROM alpine, Dockerfile:3: not needed
//   stage 1 FROM scratch, linux/amd64, the target
//     Dockerfile:6  COPY --from=deps /go /go
//                   from stage 0 "deps"
//
// A stage of a nested build is called "deps: build". What of `file_stages`, which are in the order
// of the file, is not in the graph is not needed.
std::string PlanText(const v1::PlanBuildResponse& plan,
                     const std::vector<FileStage>& file_stages = {});

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_PLAN_TEXT_H_
