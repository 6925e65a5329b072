//===- ElementwiseGroup.h - one kernel for a group of operations --*- C++
//-*-===//
#ifndef TRAINC_COMPILER_FUSION_ELEMENTWISEGROUP_H
#define TRAINC_COMPILER_FUSION_ELEMENTWISEGROUP_H

#include "compiler/fusion/KernelTable.h"

namespace trainc::fusion {

/// Replaces `group` (elementwise operations of one shape, in program order,
/// possibly ending in one reduction of that shape) by the launch of a kernel
/// that stands where the last of them stood. Values used outside become
/// results. A result that train.write stores in a variable whose old value only
/// this group reads, element by element, updates it in place.
llvm::LogicalResult
outlineElementwiseGroup(llvm::ArrayRef<mlir::Operation *> group,
                        KernelTable &kernels);

/// The same with one TiledOpInterface among them, whose first result has their
/// shape: the elementwise operations that it depends on, at its tile's own
/// place, come before it in each workgroup, and those that read its result at
/// their own index behind it.
llvm::LogicalResult outlineTiledGroup(llvm::ArrayRef<mlir::Operation *> group,
                                      KernelTable &kernels);

} // namespace trainc::fusion

#endif // TRAINC_COMPILER_FUSION_ELEMENTWISEGROUP_H
