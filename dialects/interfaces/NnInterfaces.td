//===- NnInterfaces.td - what passes may ask of an nn operation -----------===//
//
// Passes act through these interfaces and never by operation name. Derivative
// and lowering rules attach as external models (compiler/autodiff/rules,
// compiler/fusion/lowering), so the dialect stays ignorant of the compiler.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_DIALECTS_INTERFACES_NNINTERFACES_TD
#define TRAINC_DIALECTS_INTERFACES_NNINTERFACES_TD

include "mlir/IR/OpBase.td"

def DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let description = [{
    The operation has a reverse-mode derivative (vector-Jacobian product).
  }];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      Builds the gradients of the operands. `resultGradients` has one value per
      result, null where no gradient reaches it; at least one is non-null.
      `needed[i]` says whether operand i wants a gradient. Sets
      `operandGradients[i]` (same type as operand i) for those; leaves null what
      is zero. Fails, with a diagnostic on the operation, where an attribute
      combination has no rule.
    }], "::llvm::LogicalResult", "buildGradient",
    (ins "::mlir::OpBuilder &":$builder,
         "::mlir::ValueRange":$resultGradients,
         "::llvm::ArrayRef<bool>":$needed,
         "::llvm::SmallVectorImpl<::mlir::Value> &":$operandGradients)>];
}

def ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let description = [{
    One result whose every element depends on one element of each operand only:
    the one at the same index, or, for operands of lower rank, at the index
    along `getOperandDimensions`. Such operations fuse freely.
  }];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      Builds the scalar computation in arith and math: `operands` are scalars of
      the operands' element types; returns a scalar of the result's element type.
    }], "::mlir::Value", "buildScalar",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
         "::mlir::ValueRange":$operands)>,
    InterfaceMethod<[{
      For each dimension of operand `operand`, the dimension of the result it runs
      along. By default the same one.
    }], "::llvm::SmallVector<int64_t>", "getOperandDimensions",
    (ins "unsigned":$operand), "", [{
      auto type = ::llvm::cast<::mlir::RankedTensorType>($_op->getOperand(operand).getType());
      return ::llvm::to_vector(::llvm::seq<int64_t>(0, type.getRank()));
    }]>,
    InterfaceMethod<[{
      The operand that the result grows from, if it is meant to be updated where it
      lies, by a kernel that does not also make it.
    }], "::std::optional<unsigned>", "getAccumulator", (ins), "", [{ return ::std::nullopt; }]>,
    InterfaceMethod<[{
      Whether the result's element is 0 wherever that of operand `operand` is, all
      other operands being finite.
    }], "bool", "isZeroWith", (ins "unsigned":$operand), "", [{ return false; }]>,
    InterfaceMethod<[{
      Whether recomputing the operation for each user costs nothing (constants,
      broadcasts).
    }], "bool", "isFree", (ins), "", [{ return false; }]>];
}

def LowerableOpInterface : OpInterface<"LowerableOpInterface"> {
  let description = [{
    The operation has a reference lowering to linalg, scf and tensor: the index
    formula of its description, distributed over workgroups by one scf.forall.
  }];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      Builds the body of a kernel. `operands` stand for the operands (followed by
      the stream as an i64, where NoiseStreamOpInterface has one), `destinations` are tensors of the result types to be written entirely
      (destination-passing). Returns one value per result. Fails, with a
      diagnostic on the operation, for what is not supported yet.
    }], "::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>", "lower",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$operands,
         "::mlir::ValueRange":$destinations)>,
    InterfaceMethod<[{
      Floating-point operations of one execution (multiply and add count one
      each), for the cost model.
    }], "double", "flops", (ins)>,
    InterfaceMethod<[{
      The operand that result `result` may be written over, if there is one: `lower`
      then gets the same value as that operand and as the destination, and each
      workgroup reads of it only what it writes itself.
    }], "::std::optional<unsigned>", "getOverwritten", (ins "unsigned":$result), "",
      [{ return ::std::nullopt; }]>,
    InterfaceMethod<[{
      Bytes that one execution must at least move to and from memory, for the cost
      model: all operands and results, unless it touches less of them.
    }], "double", "bytes", (ins), "", [{
      double bytes = 0;
      auto add = [&](::mlir::Type type) {
        auto tensor = ::llvm::cast<::mlir::ShapedType>(type);
        bytes += double(tensor.getNumElements()) * ((tensor.getElementTypeBitWidth() + 7) / 8);
      };
      for (::mlir::Type type : $_op->getOperandTypes())
        add(type);
      for (::mlir::Type type : $_op->getResultTypes())
        add(type);
      return bytes;
    }]>];
}

def AccumulatingOpInterface : OpInterface<"AccumulatingOpInterface"> {
  let description = [{
    The one result is a sum that may as well begin with another tensor of its type.
  }];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      Builds the operation again, with `accumulator` added to its result.
    }], "::mlir::Value", "accumulateOnto",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::Value":$accumulator)>];
}

def RowwiseOpInterface : OpInterface<"RowwiseOpInterface"> {
  let description = [{
    The operation can be computed for some rows at a time, a row being one index
    along dimension 0. Elementwise operations can without this interface.
  }];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      Given which operands and results shall be by rows, sets `operands[i]` where of
      operand i only the rows at hand are read, and `sums[i]` where result i is a sum
      over all rows, to which the rows at hand add one term (of others they give the
      same rows). All are false before. Fails where the operation needs all rows.
    }], "::llvm::LogicalResult", "cutRows",
    (ins "::llvm::function_ref<bool(::mlir::Value)>":$isByRows,
         "::llvm::MutableArrayRef<bool>":$operands,
         "::llvm::MutableArrayRef<bool>":$sums)>,
    InterfaceMethod<[{
      The operand with one id per row, and the id of rows that do not count; nothing
      where all rows count.
    }], "::std::optional<::std::pair<::mlir::Value, int64_t>>", "getRowTargets", (ins), "",
      [{ return ::std::nullopt; }]>,
    InterfaceMethod<[{
      Whether result `result` is 0 in rows (or gets 0 from them, where it is a sum) in
      which every operand i with `silent[i]` is 0 or the id of rows that do not
      count, all else being finite.
    }], "bool", "isSilent",
    (ins "unsigned":$result, "::llvm::ArrayRef<bool>":$silent), "", [{ return false; }]>];
}

def TiledOpInterface : OpInterface<"TiledOpInterface"> {
  let description = [{
    The operation's lowering computes its first result in rectangular tiles that
    depend on nothing but the operands, one tile per workgroup. Further results are
    by-products: each tile makes its own rectangle of them. So a kernel can go on with
    a finished tile while it is in cache (an epilogue), and need not write it to
    memory; and where a tile reads an operand only at its own place, the kernel can
    begin with computing that (a prologue).
  }];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      Sizes of a tile along the first result's dimensions. Where they do not divide
      the result's, tiles at the end are smaller. Empty: not in tiles, in this shape.
    }], "::llvm::SmallVector<int64_t>", "getTileSizes", (ins)>,
    InterfaceMethod<[{
      Number of leading dimensions along which a tile has one index. They are
      dropped from the tile's type.
    }], "unsigned", "getDroppedRank", (ins), "", [{ return 0; }]>,
    InterfaceMethod<[{
      Whether operand `operand` has the first result's shape and a tile reads of it
      only the elements at the tile's place.
    }], "bool", "readsOwnTile", (ins "unsigned":$operand), "", [{ return false; }]>,
    InterfaceMethod<[{
      Which rectangle of by-product `result` (from 1) the tile at `offsets` of `sizes`
      makes.
    }], "void", "getByProductTile",
    (ins "unsigned":$result, "::mlir::OpBuilder &":$builder,
         "::llvm::ArrayRef<::mlir::OpFoldResult>":$offsets,
         "::llvm::ArrayRef<::mlir::OpFoldResult>":$sizes,
         "::llvm::SmallVector<::mlir::OpFoldResult> &":$resultOffsets,
         "::llvm::SmallVector<::mlir::OpFoldResult> &":$resultSizes)>,
    InterfaceMethod<[{
      Builds the computation of the tile at `offsets` of `sizes` (in the first result)
      into `destinations`: the tile, then the rectangles of the by-products, whose
      contents do not matter; returns one value each. `operands` stand for the
      operands; where `tiles` has a value for an operand, it is the operand's tile.
    }], "::llvm::SmallVector<::mlir::Value>", "lowerTile",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$operands,
         "::llvm::ArrayRef<::mlir::Value>":$tiles,
         "::llvm::ArrayRef<::mlir::OpFoldResult>":$offsets,
         "::llvm::ArrayRef<::mlir::OpFoldResult>":$sizes,
         "::mlir::ValueRange":$destinations)>];
}

def IndexingOpInterface : OpInterface<"IndexingOpInterface"> {
  let description = [{
    The operation chooses rows or columns by an operand of integers, without a look
    at them: whoever gives them keeps them below the limit.
  }];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      The operand that holds the indices.
    }], "::mlir::Value", "getIndices", (ins)>,
    InterfaceMethod<[{
      How many there are to choose from: indices from 0 to below this are defined.
    }], "int64_t", "getIndexLimit", (ins)>,
    InterfaceMethod<[{
      A further value that is defined: it chooses nothing.
    }], "::std::optional<int64_t>", "getIgnoredIndex", (ins), "", [{ return ::std::nullopt; }]>];
}

/// Every element of the result is an element of the operand, or 0.
def NN_MovesElements : NativeOpTrait<"MovesElements"> {
  let cppNamespace = "::trainc::nn";
}

def StochasticOpInterface : OpInterface<"StochasticOpInterface"> {
  let description = [{The operation makes noise in training that inference leaves out.}];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      Removes the noise: changes the operation in place, or replaces it.
    }], "void", "removeNoise", (ins "::mlir::RewriterBase &":$rewriter)>];
}

def NoiseStreamOpInterface : OpInterface<"NoiseStreamOpInterface"> {
  let description = [{
    The operation draws random numbers from a stream of its own. Operations that
    differ in the stream only are one computation, to which the stream is data:
    its lowering gets it as a value, and does not read the attribute.
  }];
  let cppNamespace = "::trainc::nn";
  let methods = [InterfaceMethod<[{
      The stream's number, or nothing where this operation draws no numbers. By
      default an operation with counters draws from `stream`.
    }], "::std::optional<int64_t>", "getNoiseStream", (ins), "", [{
      return $_op.getCounters() ? ::std::optional<int64_t>($_op.getStream()) : ::std::nullopt;
    }]>,
    InterfaceMethod<[{
      Changes the stream's number.
    }], "void", "setNoiseStream", (ins "int64_t":$stream), "", [{
      $_op.setStream(stream);
    }]>];
}

#endif // TRAINC_DIALECTS_INTERFACES_NNINTERFACES_TD
