//===- Philox.cpp - counter-based random numbers in IR --------------------===//

#include "compiler/fusion/lowering/Philox.h"
#include "compiler/fusion/lowering/Generic.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <cmath>

using namespace mlir;

namespace trainc::fusion::lowering {
namespace {

/// 64-bit and 32-bit integer arithmetic, tersely.
struct Integers {
  OpBuilder &b;
  Location loc;
  Type i32 = b.getI32Type(), i64 = b.getI64Type();

  Value c32(uint32_t value) {
    return arith::ConstantOp::create(b, loc,
                                     b.getI32IntegerAttr(int32_t(value)));
  }
  Value c64(int64_t value) {
    return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
  }
  Value low(Value wide) { return arith::TruncIOp::create(b, loc, i32, wide); }
  Value upper(Value wide) {
    return arith::ShRUIOp::create(b, loc, wide, c64(32));
  }
  /// Of the lower half.
  Value product(Value wide, uint32_t factor) {
    Value low = arith::AndIOp::create(b, loc, wide, c64(0xFFFFFFFF));
    return arith::MulIOp::create(b, loc, low, c64(factor));
  }
  Value exclusiveOr(Value l, Value r) {
    return arith::XOrIOp::create(b, loc, l, r);
  }
  Value add(Value l, Value r) { return arith::AddIOp::create(b, loc, l, r); }
};

} // namespace

Counters loadCounters(OpBuilder &builder, Location loc, Value tensor) {
  auto load = [&](int64_t i) {
    return tensor::ExtractOp::create(builder, loc, tensor,
                                     index(builder, loc, i))
        .getResult();
  };
  return {load(0), load(1), load(2)};
}

// Words stay in 64 bits, of which only the lower half counts: a product then is
// one instruction per vector, without widening and narrowing in between.
std::array<Value, 4> buildPhilox(OpBuilder &builder, Location loc,
                                 const Counters &counters, Value block,
                                 Value stream) {
  Integers i{builder, loc};
  std::array<Value, 4> x = {block, i.upper(block), counters.step, stream};
  Value k0 = counters.seed, k1 = i.upper(counters.seed);
  for (int round = 0; round < 10; ++round) {
    if (round > 0) {
      k0 = i.add(k0, i.c64(0x9E3779B9));
      k1 = i.add(k1, i.c64(0xBB67AE85));
    }
    Value p0 = i.product(x[0], 0xD2511F53), p1 = i.product(x[2], 0xCD9E8D57);
    x = {i.exclusiveOr(i.exclusiveOr(i.upper(p1), x[1]), k0), p1,
         i.exclusiveOr(i.exclusiveOr(i.upper(p0), x[3]), k1), p0};
  }
  for (Value &word : x)
    word = i.low(word);
  return x;
}

Value buildKeepWord(OpBuilder &builder, Location loc, Value word, double rate) {
  Integers i{builder, loc};
  Value uniform = arith::ShRUIOp::create(builder, loc, word, i.c32(8));
  // u ≥ rate, u = uniform·2⁻²⁴.
  Value threshold = i.c32(uint32_t(std::ceil(rate * 0x1p24)));
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge, uniform,
                               threshold);
}

Value buildKeep(OpBuilder &builder, Location loc, const Counters &counters,
                Value element, Value stream, double rate) {
  Integers i{builder, loc};
  Value block = arith::ShRUIOp::create(builder, loc, element, i.c64(2));
  std::array<Value, 4> words =
      buildPhilox(builder, loc, counters, block, stream);
  Value which = arith::AndIOp::create(builder, loc, i.low(element), i.c32(3));
  auto is = [&](uint32_t value) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, which,
                                 i.c32(value));
  };
  Value word = words[3];
  for (uint32_t w : {2, 1, 0})
    word = arith::SelectOp::create(builder, loc, is(w), words[w], word);
  return buildKeepWord(builder, loc, word, rate);
}

} // namespace trainc::fusion::lowering
