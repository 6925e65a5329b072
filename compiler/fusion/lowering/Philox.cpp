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
  Value high(Value wide) {
    return low(arith::ShRUIOp::create(b, loc, wide, c64(32)));
  }
  Value wide(Value narrow) {
    return arith::ExtUIOp::create(b, loc, i64, narrow);
  }
  Value product(Value narrow, uint32_t factor) {
    return arith::MulIOp::create(b, loc, wide(narrow), c64(factor));
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

std::array<Value, 4> buildPhilox(OpBuilder &builder, Location loc,
                                 const Counters &counters, Value block,
                                 Value stream) {
  Integers i{builder, loc};
  std::array<Value, 4> x = {i.low(block), i.high(block), i.low(counters.step),
                            i.low(stream)};
  Value k0 = i.low(counters.seed), k1 = i.high(counters.seed);
  for (int round = 0; round < 10; ++round) {
    if (round > 0) {
      k0 = i.add(k0, i.c32(0x9E3779B9));
      k1 = i.add(k1, i.c32(0xBB67AE85));
    }
    Value p0 = i.product(x[0], 0xD2511F53), p1 = i.product(x[2], 0xCD9E8D57);
    x = {i.exclusiveOr(i.exclusiveOr(i.high(p1), x[1]), k0), i.low(p1),
         i.exclusiveOr(i.exclusiveOr(i.high(p0), x[3]), k1), i.low(p0)};
  }
  return x;
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
  Value uniform = arith::ShRUIOp::create(builder, loc, word, i.c32(8));
  // u ≥ rate, u = uniform·2⁻²⁴.
  Value threshold = i.c32(uint32_t(std::ceil(rate * 0x1p24)));
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge, uniform,
                               threshold);
}

} // namespace trainc::fusion::lowering
