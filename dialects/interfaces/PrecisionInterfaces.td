//===- PrecisionInterfaces.td - where 16-bit floats may stand -------------===//
//
// Attached from outside the dialects (compiler/precision/Rules.cpp), because a
// precision policy is the compiler's business.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_DIALECTS_INTERFACES_PRECISIONINTERFACES_TD
#define TRAINC_DIALECTS_INTERFACES_PRECISIONINTERFACES_TD

include "mlir/IR/OpBase.td"

def PrecisionOpInterface : OpInterface<"PrecisionOpInterface"> {
  let description = [{
    The operation has operands or results that may be of 16-bit floats while it
    computes in f32 ("narrow" operands and results), or results that are worth f32
    wherever they are kept. Elementwise operations and those that only move elements
    need no rule.
  }];
  let cppNamespace = "::trainc::precision";
  let methods = [InterfaceMethod<[{
      Whether operand `operand` may be narrow. All that may are made so together.
    }], "bool", "takesNarrow", (ins "unsigned":$operand), "", [{ return false; }]>,
    InterfaceMethod<[{
      Whether result `result` is narrow where the operands are.
    }], "bool", "givesNarrow", (ins "unsigned":$result), "", [{ return false; }]>,
    InterfaceMethod<[{
      Whether result `result` stays in f32 where it is kept in memory: statistics
      and sums.
    }], "bool", "keepsWide", (ins "unsigned":$result), "", [{ return false; }]>];
}

#endif // TRAINC_DIALECTS_INTERFACES_PRECISIONINTERFACES_TD
