//===- Rules.cpp - which operations take and give 16-bit floats -----------===//
//
// Products and embeddings, because that is where bytes and instructions count;
// attention and losses, which read and write whole activations but compute in
// f32 inside. Statistics and sums stay wide (Micikevicius et al. 2018, section
// 3; training-semantics.md 5).
//
//===----------------------------------------------------------------------===//

#include "compiler/precision/Interfaces.h"
#include "compiler/precision/Precision.h"
#include "dialects/nn/Nn.h"

#include "dialects/interfaces/PrecisionInterfaces.cpp.inc"

using namespace mlir;

namespace trainc::precision {
namespace {

constexpr unsigned bit(unsigned index) { return 1u << index; }

/// Bits by operand and result number.
template <typename Op, unsigned Takes, unsigned Gives = 0, unsigned Keeps = 0>
struct Rule
    : PrecisionOpInterface::ExternalModel<Rule<Op, Takes, Gives, Keeps>, Op> {
  bool takesNarrow(Operation *, unsigned operand) const {
    return Takes & bit(operand);
  }
  bool givesNarrow(Operation *, unsigned result) const {
    return Gives & bit(result);
  }
  bool keepsWide(Operation *, unsigned result) const {
    return Keeps & bit(result);
  }
};

/// Any number of operands.
struct ConcatRule
    : PrecisionOpInterface::ExternalModel<ConcatRule, nn::ConcatOp> {
  bool takesNarrow(Operation *, unsigned) const { return true; }
  bool givesNarrow(Operation *, unsigned) const { return true; }
};

template <typename Op, unsigned Takes, unsigned Gives = 0, unsigned Keeps = 0>
void attach(MLIRContext &context) {
  Op::template attachInterface<Rule<Op, Takes, Gives, Keeps>>(context);
}

} // namespace

void registerPrecisionInterfaces(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *c, nn::NNDialect *) {
    // The product itself is wide: what follows it reads the sum in registers.
    attach<nn::MatmulOp, bit(0) | bit(1)>(*c);
    attach<nn::EmbeddingOp, bit(0), bit(0)>(*c);
    attach<nn::EmbeddingGradOp, bit(0), 0, bit(0)>(*c);
    // query, key, value -> result, lse
    attach<nn::AttentionOp, bit(0) | bit(1) | bit(2), bit(0), bit(1)>(*c);
    // gradient, query, key, value, result -> all three
    attach<nn::AttentionGradOp, bit(5) - 1, bit(3) - 1>(*c);
    attach<nn::CrossEntropyOp, bit(0), 0, bit(0) | bit(1)>(*c);
    attach<nn::CrossEntropyGradOp, bit(1), bit(0)>(*c);
    attach<nn::LayerNormOp, 0, 0, bit(1) | bit(2)>(*c);
    attach<nn::LayerNormGradOp, 0, 0, bit(1) | bit(2)>(*c);
    attach<nn::ReduceSumOp, 0, 0, bit(0)>(*c);
    // These only move elements.
    nn::ConcatOp::attachInterface<ConcatRule>(*c);
    attach<nn::GatherRowsOp, bit(0), bit(0)>(*c);
  });
}

} // namespace trainc::precision
