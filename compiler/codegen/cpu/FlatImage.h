//===- FlatImage.h - objects to one position-independent image ----*- C++
//-*-===//
//
// Links kernels' objects into bytes that run wherever they are mapped.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_FLATIMAGE_H
#define TRAINC_COMPILER_CODEGEN_CPU_FLATIMAGE_H

#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace trainc::codegen {

/// ELF object of a kernel, or of a function that kernels share.
struct KernelObject {
  std::string entry; ///< name of its entry function
  llvm::SmallVector<char, 0> bytes;
};

struct FlatImage {
  std::vector<uint8_t> bytes;
  std::vector<uint64_t> entry_offsets; ///< one per object
};

/// Checks that an object runs wherever it is mapped, beside objects that define
/// `shared`. Errors: another undefined symbol, writable or thread-local data,
/// or an address stored in data.
llvm::Error checkObject(const KernelObject &object,
                        const llvm::StringSet<> &shared);

/// Links checked objects in the order given; equal objects give equal bytes.
/// Errors: what LLD or the file system report.
llvm::Expected<FlatImage> linkFlatImage(llvm::ArrayRef<KernelObject> objects);

} // namespace trainc::codegen

#endif // TRAINC_COMPILER_CODEGEN_CPU_FLATIMAGE_H
