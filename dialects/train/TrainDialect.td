//===- TrainDialect.td - the train dialect: what makes it training --------===//
#ifndef TRAINC_DIALECTS_TRAIN_TRAINDIALECT_TD
#define TRAINC_DIALECTS_TRAIN_TRAINDIALECT_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/nn/NnDialect.td"

def Train_Dialect : Dialect {
  let name = "train";
  let cppNamespace = "::trainc::train";
  let summary = "Parameters, states, losses, gradients and updates";
  let description = [{
    `train` says what makes a computation training. Storage that outlives a
    program is a module-level symbol (`train.parameter`, `train.state`); programs
    read and write it as tensors, one by one or, in a `train.group`, many as one. A recipe becomes one `train.step`; the
    objective, autodiff and optimizer stages turn it into programs.

    Module attributes set by the recipe stage: `train.name`, `train.recipe` (text),
    `train.objective`, `train.sequences` (B), `train.length` (T),
    `train.micro_batches` (M), `train.seed`, `train.total_steps`,
    `train.ignore_index`, `train.vocab_size`, `train.external_prefix`, `train.ignored_buffers`.
    An objective that counts few of its targets, such as masked language modelling, says which
    share is to be expected: `train.counted_share` (f64, above 0, at most 1). It decides what is
    fast, never what is computed.
  }];
  let useDefaultAttributePrinterParser = 1;
}

class Train_Op<string mnemonic, list<Trait> traits = []>
    : Op<Train_Dialect, mnemonic, traits>;

#endif // TRAINC_DIALECTS_TRAIN_TRAINDIALECT_TD
