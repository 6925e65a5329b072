//===- NnDialect.td - the nn dialect: differentiable tensor operations ----===//
#ifndef TRAINC_DIALECTS_NN_NNDIALECT_TD
#define TRAINC_DIALECTS_NN_NNDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "dialects/interfaces/NnInterfaces.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::trainc::nn";
  let summary = "Pure, statically shaped, differentiable tensor operations and losses";
  let description = [{
    Models are written in `nn`: value semantics, static shapes, no side effects,
    no implicit broadcasting (use `nn.broadcast`). Every floating-point operation
    is differentiable behind `DifferentiableOpInterface`. Shape letters: B batch,
    T time, C channels, H heads, D head size, V vocabulary, N rows.

    Randomness is counter-based: operations that draw numbers take `counters`,
    an i64[3] of {seed, step, first global row}, and a `stream` number unique in
    the module, and compute Philox4x32-10 of the element's *global* index. So a
    mask is recomputed in the backward pass, and cutting a batch differently
    keeps it.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

class NN_Op<string mnemonic, list<Trait> traits = []>
    : Op<NN_Dialect, mnemonic, !listconcat([Pure], traits)>;

def NN_Float : StaticShapeTensorOf<[F16, BF16, F32, F64]>;
def NN_Integer : StaticShapeTensorOf<[I1, I8, I32, I64]>;
def NN_Tensor : StaticShapeTensorOf<[F16, BF16, F32, F64, I1, I8, I32, I64]>;
def NN_Ids : StaticShapeTensorOf<[I32]>;
def NN_Bool : StaticShapeTensorOf<[I1]>;
def NN_Counters : StaticShapeTensorOf<[I64]>;

#endif // TRAINC_DIALECTS_NN_NNDIALECT_TD
