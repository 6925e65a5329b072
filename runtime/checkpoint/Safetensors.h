//===- Safetensors.h - named tensors in a file -------------------*- C++
//-*-===//
//
// Decides how safetensors files are read and written: eight bytes of header
// size (little endian), a JSON header, then the tensors' bytes. The reader
// trusts nothing: every offset, size, type and shape is checked before a byte
// of data is read, and its memory is in proportion to the header. The writer
// streams: it never holds more than the
// header and a small buffer.
//
// Format: https://github.com/huggingface/safetensors
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CHECKPOINT_SAFETENSORS_H
#define TRAINC_RUNTIME_CHECKPOINT_SAFETENSORS_H

#include "runtime/checkpoint/Files.h"
#include "runtime/core/Status.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace trainc {

/// Element types of a safetensors file.
enum class TensorType : uint8_t {
  Bool,
  U8,
  I8,
  U16,
  I16,
  F16,
  BF16,
  U32,
  I32,
  F32,
  U64,
  I64,
  F64
};

/// "F32", "BF16", ...: the name in the file's header.
std::string_view tensorTypeName(TensorType type);
std::optional<TensorType> parseTensorType(std::string_view name);
size_t tensorTypeSizeBytes(TensorType type);

/// "[768, 50257]".
std::string formatShape(std::span<const uint64_t> shape);

/// Product of the dimensions times the element size; nothing on overflow.
std::optional<uint64_t> tensorSizeBytes(TensorType type,
                                        std::span<const uint64_t> shape);

/// One tensor of a file. `offset_bytes` counts from the end of the header.
struct TensorInfo {
  std::string name;
  TensorType type;
  std::vector<uint64_t> shape;
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

/// An open, fully checked safetensors file.
class SafetensorsFile {
public:
  /// Largest header that is read, as in the reference implementation.
  static constexpr uint64_t kMaxHeaderBytes = 100'000'000;

  /// Opens and checks `path`. A missing file is a user error, a damaged one a
  /// file error that names the tensor.
  static Result<SafetensorsFile> open(const std::string &path);

  /// In the order of their offsets.
  const std::vector<TensorInfo> &tensors() const { return tensors_; }
  /// The tensor of that name, or null.
  const TensorInfo *find(const std::string &name) const;
  /// Fills all of `out` with the tensor's bytes from `offset_bytes` on, which
  /// must lie within it. File error where the file became shorter meanwhile.
  Status read(const TensorInfo &tensor, uint64_t offset_bytes,
              std::span<std::byte> out) const {
    return file_.read(data_start_bytes_ + tensor.offset_bytes + offset_bytes,
                      out);
  }
  const std::string &path() const { return file_.path(); }

private:
  /// Orders tensors_ and proves that together they are exactly the data.
  Status layOut(uint64_t data_bytes);

  FileReader file_;
  uint64_t data_start_bytes_ = 0;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string, size_t> index_;
};

/// Name, type and shape of a tensor to be written.
struct TensorSpec {
  std::string name;
  TensorType type;
  std::vector<uint64_t> shape;
};

/// Writes a file whose tensors are declared first and then streamed in that
/// order. Metadata is {"format": "pt"}. With Placement::Replace nothing appears
/// at `path` before finish().
class SafetensorsWriter {
public:
  static Result<SafetensorsWriter>
  create(const std::string &path, std::span<const TensorSpec> tensors,
         Placement placement = Placement::Replace);
  /// The same where nobody knows yet how long the last tensor, of one
  /// dimension, becomes: finish() counts what came of it. Its declared length
  /// is not used.
  static Result<SafetensorsWriter>
  createGrowing(const std::string &path, std::span<const TensorSpec> tensors);

  /// Appends bytes of the tensors, in their declared order; pieces may be of
  /// any size.
  Status write(std::span<const std::byte> bytes);
  /// Replaces bytes of the tensors that were written, from `offset` bytes after
  /// the header on.
  Status overwrite(uint64_t offset, std::span<const std::byte> bytes);
  /// Checks that exactly the declared bytes came, then puts the file in place.
  Status finish();
  /// StreamHash of the whole file, to be asked after finish(); of no file that
  /// grew or has overwritten bytes.
  uint64_t hash() const { return file_.hash(); }

private:
  Status start(const std::string &path, Placement placement);
  Result<std::string> header(size_t size_bytes);

  FileWriter file_;
  std::string path_;
  std::vector<TensorSpec> tensors_; ///< kept while the last one grows
  bool growing_ = false;
  uint64_t header_bytes_ = 0; ///< with the eight of its size
  uint64_t expected_bytes_ = 0;
  uint64_t written_bytes_ = 0;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_CHECKPOINT_SAFETENSORS_H
