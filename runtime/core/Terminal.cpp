//===- Terminal.cpp -------------------------------------------------------===//

#include "runtime/core/Terminal.h"

#include <cstdlib>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace trainc {

static std::string_view environment(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

bool isTerminal(int descriptor) { return isatty(descriptor) == 1; }

bool wantsColour(int descriptor) {
  return isTerminal(descriptor) && environment("NO_COLOR").empty() &&
         environment("TERM") != "dumb";
}

size_t terminalColumns(int descriptor) {
  winsize size = {};
  bool known = ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

std::string coloured(int descriptor, Colour colour, std::string_view text) {
  return wantsColour(descriptor) ? fmt::format("\x1b[1;{}m{}\x1b[0m",
                                               static_cast<int>(colour), text)
                                 : std::string(text);
}

} // namespace trainc
