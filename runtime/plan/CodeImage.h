//===- CodeImage.h - a variant's machine code in memory -----------*- C++
//-*-===//
//
// Copies a flat position-independent image into fresh pages and makes them
// read-execute. No dlopen, no relocations, so it works in an empty root.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_PLAN_CODEIMAGE_H
#define TRAINC_RUNTIME_PLAN_CODEIMAGE_H

#include "runtime/abi/KernelAbi.h"
#include "runtime/core/Status.h"
#include <cstddef>
#include <cstdint>
#include <span>

namespace trainc {

class CodeImage {
public:
  CodeImage() = default;
  /// Maps a copy of `code`. Errors: System.
  static Result<CodeImage> map(std::span<const uint8_t> code);
  ~CodeImage();
  CodeImage(CodeImage &&other) noexcept;
  CodeImage &operator=(CodeImage &&other) noexcept;

  /// The kernel at `entry_offset` bytes, which must lie inside the image.
  TraincKernel entry(uint64_t entry_offset) const;
  size_t sizeBytes() const { return size_bytes_; }

private:
  void *base_ = nullptr;
  size_t size_bytes_ = 0;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_PLAN_CODEIMAGE_H
