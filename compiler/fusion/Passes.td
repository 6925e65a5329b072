//===- Passes.td - passes of the fusion stage -----------------------------===//
#ifndef TRAINC_COMPILER_FUSION_PASSES_TD
#define TRAINC_COMPILER_FUSION_PASSES_TD

include "mlir/Pass/PassBase.td"

class Fusion_Pass<string name> : Pass<name, "::mlir::ModuleOp"> {
  let dependentDialects = [
    "::trainc::nn::NNDialect", "::trainc::plan::PlanDialect",
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
}

def FuseLossGradientPass : Fusion_Pass<"trainc-fuse-loss-gradient"> {
  let summary = "A loss and its gradient in one pass over the logits";
  let description = [{
    nn.cross_entropy and nn.cross_entropy_grad of the same logits become
    nn.cross_entropy_with_grad, where what the gradient is multiplied with does not
    depend on the loss. The remark "loss-gradient" of category "fusion" says so.
  }];
}

def ChunkVocabularyPass : Fusion_Pass<"trainc-chunk-vocabulary"> {
  let summary = "Vocabulary projection, loss and its gradient for some rows at a time";
  let description = [{
    Logits of more than 64 MiB are cut into chunks of about 512 rows, or more where those
    are less than 64 MiB: the product that makes them, all that reads them, and what lies
    between, are repeated for one chunk after the other.
    Results by rows are joined (plan.join), sums over rows are added up chunk by
    chunk. Works on operations with RowwiseOpInterface or ElementwiseOpInterface
    around each nn.cross_entropy (with or without gradient). The remark "vocabulary"
    of category "fusion" says into which chunks, or why not. The module attribute
    `fusion.chunk_rows` sets the rows of a chunk.

    Where the module attribute `train.counted_share` (f64) says that few targets
    count, rows are gathered into another order first (nn.order_rows): those that count,
    then the others, in chunks of about the rows that count. All chunks but the first get
    a bound (plan.bounds), so that one without a row that counts does not run. What is
    made by rows comes back in the old order and is 0 where a row does not count. The
    remark "counted-rows" says whether that happens, or why not.
  }];
}

def AccumulatePass : Fusion_Pass<"trainc-accumulate"> {
  let summary = "Adds the terms of a variable's sum when they are made";
  let description = [{
    Where a variable is written a sum, of which a term is a product or has
    AccumulatingOpInterface, the terms are added one by one in the order in which
    they are made (nn.accumulate), which the memory stage does in place.
  }];
}

def LeaveOutPass : Fusion_Pass<"trainc-leave-out"> {
  let summary = "Leaves out the work for values that are not written after all";
  let description = [{
    Where a program writes a variable `nn.select` of a new value and its own old one,
    by a condition that is one scalar for all elements, the select and what only such selects need
    get a bound (plan.bounds): everything where the condition holds, nothing where it
    does not. The same where a `train.sweep` chooses inside and is the last to read the old value.
    Nothing gets one where others read a new value. Scalars stay without one unless they are made from tensors that have
    one. The remark "leave-out" of category "fusion" says so.
  }];
}

def ExpandReductionsPass : Fusion_Pass<"trainc-expand-reductions"> {
  let summary = "Sums over everything in two steps of a fixed shape";
  let description = [{
    A reduction of a large tensor to a scalar becomes partial sums of equal
    consecutive pieces and the sum of those, so that it runs on all threads in
    an order that does not depend on their number.
  }];
}

def FuseElementwisePass : Fusion_Pass<"trainc-fuse-elementwise"> {
  let summary = "Outlines maximal groups of elementwise operations as kernels";
  let description = [{
    Operations with ElementwiseOpInterface and equal result shapes that feed each
    other become one kernel, as long as no value leaves the group and comes back.
    So do those that write variables and read the same one.
    Free operations (constants, broadcasts) are cloned to each user. A reduction
    absorbs the elementwise producers that only it uses. A result that updates
    a variable whose old value only this group reads is computed in place, and so is
    one of nn.accumulate. An
    operation with TiledOpInterface joins a group of its shape that reads its
    result (the epilogue), and groups that make operands that it reads at its tile's own
    place (the prologue): the kernel computes all of them tile by tile. The remark
    category "fusion" says for each whether that happened, and why not.
    Programs are re-ordered as little as their dependences need.
  }];
}

def OutlineKernelsPass : Fusion_Pass<"trainc-outline-kernels"> {
  let summary = "Outlines every remaining nn operation as a kernel of its own";
  let description = [{
    Bodies come from LowerableOpInterface; equal bodies share one kernel.
    An operation with `fusion.bound` becomes a launch with that bound of plan.bounds.
    `nn.reshape` becomes views, and so does `nn.slice` of whole rows from a multiple
    of 64 bytes, of what a launch makes (variables have whole views only). An
    operation that reads a part of an `nn.split` tile by tile reads the columns of the
    whole; one whose results an `nn.concat` joins writes its columns.
  }];
}

def LowerSumSquaresPass : Fusion_Pass<"trainc-lower-sum-squares"> {
  let summary = "Lets launches sum the squares of what they write";
  let description = [{
    Replaces `train.sum_squares`. Where one launch of another program makes all that
    the variable holds, its kernel also writes a partial sum per workgroup, in f64, to
    a new state `@squares.<i>`; the sum adds all of them, as one group. A launch that adds
    to some places of what another made writes what that changes, and both sum. Any other
    variable is read again. The remark category "fusion" says for each which, and why. Kernels that no launch uses any more are removed.
  }];
}

def VerifyFusionPass : Fusion_Pass<"trainc-verify-fusion"> {
  let summary = "Checks the contract of the fusion stage";
  let description = [{
    No nn operations; programs are flat lists of reads, fresh destinations,
    views (of other shapes, or of whole rows), joins, launches and writes; no two
    kernels are equal. What a launch with a bound makes anew, only launches of the same
    bound and joins read.
  }];
}

#endif // TRAINC_COMPILER_FUSION_PASSES_TD
