//===- Passes.td - the passes of the CPU code generation stage ------------===//
#ifndef TRAINC_COMPILER_CODEGEN_CPU_PASSES_TD
#define TRAINC_COMPILER_CODEGEN_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def OutlineKernelFunctions : Pass<"trainc-outline-kernel-functions", "::mlir::ModuleOp"> {
  let summary = "Give each plan.kernel a module with one function of a workgroup";
  let description = [{
    For every `plan.kernel` a nested module of its name with attribute
    `codegen.kernel` and one function `(parameters..., [constant,] index)`: the body
    for one workgroup. The top-level scf.forall disappears: its iterations, row-major, are
    the workgroups. Sets `workgroups` of the kernel, and leaves its body alone.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::mlir::arith::ArithDialect",
                           "::mlir::affine::AffineDialect", "::mlir::scf::SCFDialect"];
}

def LowerContractions : Pass<"trainc-lower-contractions", "::mlir::ModuleOp"> {
  let summary = "Turn matrix products on buffers into calls of shared functions";
  let description = [{
    A linalg operation `C += A * B` with one reduction, on f32 or f64 buffers of any
    layout with a contiguous dimension, or with A and B of 16 bits that are widened to
    f32, becomes loops over blocks that fit caches around
    calls of functions that pack columns of B and multiply rows of A by them. The
    functions take sizes as arguments and are declared here, with attribute
    `codegen.product`; packed panels are temporaries. A linalg.fill with zero just before
    it is folded. Small or strided products are left alone.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::func::FuncDialect",
                           "::mlir::vector::VectorDialect"];
  let options = [Option<"cpu", "cpu", "std::string", /*default=*/"\"\"",
                        "LLVM's name of the CPU to compile for; empty: this machine's">];
}

def EmitProductFunctions : Pass<"trainc-emit-product-functions", "::mlir::ModuleOp"> {
  let summary = "Define the shared functions that kernels call";
  let description = [{
    For every function declared with `codegen.product` in some nested module, a nested
    module with attribute `codegen.shared` and its definition: register tiles of C in
    the vector dialect.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::vector::VectorDialect",
                           "::mlir::func::FuncDialect", "::mlir::LLVM::LLVMDialect"];
  let options = [Option<"cpu", "cpu", "std::string", /*default=*/"\"\"",
                        "LLVM's name of the CPU to compile for; empty: this machine's">];
}

def LowerMoves : Pass<"trainc-lower-moves", "::mlir::func::FuncOp"> {
  let summary = "Turn fills and transposes of matrices into whole vectors";
  let description = [{
    `linalg.fill` and `linalg.transpose` of two-dimensional buffers whose rows are
    contiguous, f32 or f64. A transpose exchanges squares of one vector's length in
    registers. Edges are masked. Others are left alone.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::vector::VectorDialect"];
  let options = [Option<"cpu", "cpu", "std::string", /*default=*/"\"\"",
                        "LLVM's name of the CPU to compile for; empty: this machine's">];
}

def AttachFastMath : Pass<"trainc-attach-fast-math", "::mlir::func::FuncOp"> {
  let summary = "Allow fused multiply-add everywhere and reassociation in reductions";
  let description = [{
    `contract` on every floating-point arith operation, and `reassoc` on the
    combining operation of linalg reductions, so that they vectorise. The result
    stays a fixed function of the code: the order is chosen once, by the compiler.
  }];
}

def BlockRows : Pass<"trainc-block-rows", "::mlir::func::FuncOp"> {
  let summary = "Run neighbouring operations on a few rows at a time, in turn";
  let description = [{
    Neighbouring linalg.generic on buffers whose first loop goes over the same
    rows, and that meet only in the row whose turn it is, get one loop over
    blocks of rows and work on views of a block: as many rows as the first cache
    holds, at most four. Rows of less than a KiB, and buffers that fit together,
    are left alone. What stands between moves before them where it does not meet
    them.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::linalg::LinalgDialect"];
}

def LowerLinalgToLoops : Pass<"trainc-lower-linalg-to-loops", "::mlir::func::FuncOp"> {
  let summary = "Turn linalg on buffers into scf.for nests";
  let description = [{
    The innermost loop is the one along which most operands are contiguous. Reduction
    loops at the end of the nest carry the accumulator as a loop value. A reduction
    over a few rows whose columns are innermost is unrolled inside the columns' loop, so
    that a column's sum is loaded and stored once.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::mlir::arith::ArithDialect",
                           "::mlir::affine::AffineDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::linalg::LinalgDialect"];
}

def ExpandMath : Pass<"trainc-expand-math", "::mlir::func::FuncOp"> {
  let summary = "Replace transcendental functions by polynomials";
  let description = [{
    f32 by upstream's approximations, f64 by our own; nothing is left that would
    become a library call.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}

def AssignScratch : Pass<"trainc-assign-scratch", "::mlir::ModuleOp"> {
  let summary = "Turn temporaries of a kernel into ranges of its scratch";
  let description = [{
    Runs on a kernel's module. Every memref.alloc and memref.alloca becomes a
    further parameter of the function (after the buffers), at a fixed multiple of
    64 bytes of the worker's scratch: `codegen.scratch_offsets`,
    `codegen.scratch_bytes`. A dynamic size needs a constant upper bound.
    `codegen.argument_bytes` holds the size of every parameter.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect"];
}

def BFloat16AsIntegers : Pass<"trainc-bfloat16-as-integers", "::mlir::ModuleOp"> {
  let summary = "Keep bfloat16 in integer registers";
  let description = [{
    Runs on a kernel's module in the LLVM dialect. Every bf16 becomes i16, in types and
    constants; operands of intrinsics are cast back.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def AttachKernelEntry : Pass<"trainc-attach-kernel-entry", "::mlir::ModuleOp"> {
  let summary = "Add the function that the runtime calls";
  let description = [{
    Runs on a kernel's module in the LLVM dialect. Adds `void NAME(ptr arguments,
    i32 workgroup)` of runtime/abi/KernelAbi.h, which loads the buffers' pointers, and
    the launch's constant where the kernel reads it, and calls the body; the body's pointers are noalias, aligned and dereferenceable.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def LowerKernelsToCode : Pass<"trainc-lower-kernels-to-code", "::mlir::ModuleOp"> {
  let summary = "Compile the kernels' modules into one flat image";
  let description = [{
    Translates, optimises and compiles each kernel's module, several at a time, links
    the objects in kernel order, adds `plan.code @cpu`, sets `entry_offset`,
    `scratch_bytes` and `abi_version` of the kernels, and removes their modules.
  }];
  let options = [
    Option<"cpu", "cpu", "std::string", /*default=*/"\"\"",
           "LLVM's name of the CPU to compile for; empty: this machine's">,
    Option<"reference", "reference", "bool", /*default=*/"false",
           "plain scalar code: no vectorisation">,
    Option<"threads", "threads", "unsigned", /*default=*/"0",
           "kernels compiled at a time; 0: one per core">];
}

def VerifyCodegenContract : Pass<"trainc-verify-codegen-contract", "::mlir::ModuleOp"> {
  let summary = "Check that every kernel has code, entry and ABI version";
}

#endif // TRAINC_COMPILER_CODEGEN_CPU_PASSES_TD
