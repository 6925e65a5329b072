//===- TokenFiles.h - token files read as one stream -------------*- C++
//-*-===//
//
// Decides what a token file is: a safetensors file with a 1-D tensor `tokens`
// of type U16 or U32. Several files act as one: their tokens follow each other
// in the order given. Files stay open; nothing is read but what is asked for.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DATA_TOKENFILES_H
#define TRAINC_RUNTIME_DATA_TOKENFILES_H

#include "runtime/checkpoint/Safetensors.h"
#include "runtime/core/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace trainc {

class TokenFiles {
public:
  static Result<TokenFiles> open(std::span<const std::string> paths);

  /// Number of tokens in all files.
  uint64_t size() const { return size_; }

  /// Reads tokens begin .. begin + out.size(), which must lie within size().
  /// File error where a file became shorter since it was opened. Allocates
  /// nothing.
  Status read(uint64_t begin, std::span<int32_t> out) const;

  /// User error naming file, position and id of the first token not below
  /// `limit`. Reads everything once.
  Status checkBelow(uint64_t limit) const;

  /// "book.safetensors, token 17": the place of a position of the stream.
  std::string describe(uint64_t position) const;

private:
  struct Part {
    SafetensorsFile file;
    uint64_t begin; ///< position of its first token in the stream
    uint64_t count;
    bool wide; ///< U32 rather than U16
  };
  static Status read(const Part &part, uint64_t first, std::span<int32_t> out);
  /// The part that holds `position`.
  const Part &partAt(uint64_t position) const;

  std::vector<Part> parts_;
  uint64_t size_ = 0;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DATA_TOKENFILES_H
