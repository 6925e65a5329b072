//===- Fuzz.h - what every fuzzer shares --------------------------*- C++
//-*-===//
//
// A fuzzer of a reader is one file that defines read() and seeds(); Main.cpp
// gives it to libFuzzer. A finding is a crash, a report of a sanitizer, more
// than ten seconds, more memory than tools/dev/fuzz allows, or an error that
// does not say what was expected.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_FUZZ_FUZZ_H
#define TRAINC_TEST_FUZZ_FUZZ_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trainc::fuzz {

/// Gives the bytes to the reader, and uses whatever it accepts.
void read(std::span<const uint8_t> input);

/// Honest inputs to start from.
std::vector<std::string> seeds();

/// Ends the process, which libFuzzer reports, where `holds` is false.
inline void require(bool holds, std::string_view what,
                    std::string_view detail) {
  if (holds)
    return;
  std::fprintf(stderr, "finding: %.*s: %.*s\n", int(what.size()), what.data(),
               int(detail.size()), detail.data());
  std::abort();
}

/// An error for people: what was expected, and what came instead.
inline void requireClear(std::string_view message) {
  require(message.find("expected ") != message.npos &&
              message.find("but got") != message.npos,
          "an error without 'expected X, but got Y'", message);
}

/// Ids of tensors, sizes, …: `T` from the front of the input, 0 at its end.
template <typename T> T take(std::span<const uint8_t> &input) {
  T value = 0;
  for (size_t i = 0; i != sizeof(T) && !input.empty(); ++i) {
    value |= static_cast<T>(T(input.front()) << (8 * i));
    input = input.subspan(1);
  }
  return value;
}

} // namespace trainc::fuzz

#endif // TRAINC_TEST_FUZZ_FUZZ_H
