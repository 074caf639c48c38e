// What a screen shows of a build while it runs.
#ifndef ZLAYER_CLIENT_PROGRESS_RENDER_H_
#define ZLAYER_CLIENT_PROGRESS_RENDER_H_

#include <string>
#include <vector>

#include "client/progress/model.h"
#include "client/progress/row.h"

namespace zlayer {

// The lines below the history, from the top: what the client does itself (uploads, waiting for the
// daemon or in the queue), the stages that run as a tree, and the sum. None is wider than the
// view's width, and they are at most its height - 1, so that the cursor has a line of its own below
// them. Empty before the build and after it.
//
//   build 3/7, 2 cached
//   └ ● 3/7 RUN make                   3.1s
//       cc -c main.c
//   web 1/4
//   └ ● 2/4 ADD https://example.org/x  0.4s
//       https://example.org/x: 12.0 MB of 30.0 MB (40%), 4.1 MB/s
//   4 of 11 steps, 2 cached, 2 running  4.0s
//
// Where there is room, each running step has up to 10 lines of what it wrote, shared out evenly.
// Where there is not even one line for each step, stages lose their line and their steps name them,
// as many as fit. The sum is the last line to go.
//
// A pure function of its arguments; its time depends on what runs, not on the size of the plan.
std::vector<std::string> RenderProgress(const ProgressModel& model, const View& view);

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_RENDER_H_
