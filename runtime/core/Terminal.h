//===- Terminal.h - what may be drawn where -----------------------*- C++
//-*-===//
//
// Decides when output is coloured: on a terminal, unless NO_COLOR is set to
// something (no-color.org) or TERM is "dumb".
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_TERMINAL_H
#define TRAINC_RUNTIME_CORE_TERMINAL_H

#include <cstddef>
#include <string>
#include <string_view>

namespace trainc {

enum class Colour { Red = 31, Green = 32, Yellow = 33 };

bool isTerminal(int descriptor);
bool wantsColour(int descriptor);
/// Columns of the terminal; 80 where it does not say.
size_t terminalColumns(int descriptor);

/// `text`, in bold and coloured where `descriptor` wants colour.
std::string coloured(int descriptor, Colour colour, std::string_view text);

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_TERMINAL_H
