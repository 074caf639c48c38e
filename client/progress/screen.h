// Keeps a few lines at the end of a terminal's text up to date.
#ifndef ZLAYER_CLIENT_PROGRESS_SCREEN_H_
#define ZLAYER_CLIENT_PROGRESS_SCREEN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "client/progress/row.h"

namespace zlayer {

// What makes a terminal usual again where a frame was interrupted in its middle.
inline constexpr char kUsualTerminal[] = "\x1b[?7h\x1b[?25h\x1b[?2026l";

// Turns frames into the bytes that change one into the next; does no I/O. Decisions:
// - Between two frames the terminal is as usual: cursor shown at the begin of the line below the
//   last, lines wrap, no colour. So whatever ends or stops the program there, SIGKILL too, leaves
//   nothing to restore.
// - Within a frame the cursor is hidden and live lines do not wrap: a character that the terminal
//   takes for wider than this program does cannot push the lines below it down.
// - A frame is synchronised (mode 2026), which terminals that do not know it ignore.
// - No alternate screen and no absolute positions: what was there before stays, and history
// scrolls.
//
// Not thread-safe.
class Screen {
 public:
  // Prints `history` for good, above `live`, which takes the place of what was live. Both without
  // newlines; `live` at most as wide as the terminal is now, and lower. Empty where there is
  // nothing to change. Where the terminal changed its size everything is drawn again; lines that it
  // broke because it became narrower are taken away as a terminal that breaks them shows them.
  std::string Frame(const std::vector<std::string>& history, const std::vector<std::string>& live,
                    const View& view);

  // Somebody else wrote to the terminal: what was live stays as it is, and the next frame begins at
  // the cursor.
  void Forget() { shown_.clear(); }

 private:
  // Terminal lines that what is shown takes up now that the terminal is `width` wide.
  size_t Height(int width) const;
  std::string Replace(const std::vector<std::string>& live) const;

  std::vector<std::string> shown_;
  int width_ = 0;
  int height_ = 0;
};

}  // namespace zlayer

#endif  // ZLAYER_CLIENT_PROGRESS_SCREEN_H_
