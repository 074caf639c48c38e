// A build plan for people.
#ifndef ZLAYER_CLIENT_CLI_PLAN_TEXT_H_
#define ZLAYER_CLIENT_CLI_PLAN_TEXT_H_

#include <string>

#include "zlayer/v1/build.pb.h"

namespace zlayer {

// The stages in the order of the graph, each with its base and its operations below it, in front of
// them the lines of the build file that they are from; then the warnings:
//
//   stage 0 "build" FROM golang:1.22, linux/amd64
//                   docker.io/library/golang:1.22@sha256:0123...
//     Dockerfile:2  WORKDIR /src
//     Dockerfile:3  COPY --from=deps /go /go
//                   from stage 1 "deps"
//   stage 1 "docs" FROM alpine: not needed
std::string PlanText(const v1::PlanBuildResponse& plan);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_CLI_PLAN_TEXT_H_
