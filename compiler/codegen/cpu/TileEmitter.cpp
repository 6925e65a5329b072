//===- TileEmitter.cpp - the matrix product in tile registers -------------===//
//
// Decides the innermost loops of a product of bfloat16 on CPUs with AMX: groups
// of rows of A, copied next to each other as tiles and filled up with zeros,
// each multiplied with every packed panel of B while tiles of C stay in
// registers. A tile of A is 16 rows of 32 elements of the depth, one of B 16
// pairs of rows by 16 columns, each in one piece of memory. A tile of C at an
// edge goes by way of memory of its own. While a group is used, the rows of the
// next are asked for.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/GemmEmitter.h"
#include "compiler/codegen/cpu/LoopBuilder.h"

using namespace mlir;

namespace trainc::codegen {
namespace {

/// Bytes of a row of a tile register.
constexpr int64_t tileRowBytes = 64;

class TilesEmitter : LoopBuilder {
public:
  TilesEmitter(ImplicitLocOpBuilder &builder, const ProductFunction &function,
               int64_t lanes, ValueRange arguments)
      : LoopBuilder(builder, function.element), stored(function.stored),
        transposed(function.transposed), lanes(lanes),
        row_tiles(function.tile.rows / tileRows),
        column_tiles(function.tile.column_vectors), rows(function.tile.rows),
        panel(column_tiles * lanes), room(function.tile),
        words(vectorOf(lanes, builder.getI32Type())), vector(vectorOf(lanes)) {
    m = arguments[8], n = arguments[9], k = arguments[10];
    accumulate = arguments[11];
    a = transposed ? matrix(arguments[0], arguments[1], arguments[2], k, m)
                   : matrix(arguments[0], arguments[1], arguments[2], m, k);
    depths = divide(add(k, tileDepth - 1), tileDepth);
    packed = address(arguments[3]);
    panel_bytes = mul(arguments[4], index(2));
    c = add(address(arguments[5]), mul(arguments[6], index(4)));
    c_row_bytes = mul(arguments[7], index(4));
    scratch = address(arguments[12]);
    row_bytes = arith::IndexCastOp::create(b, b.getI64Type(), c_row_bytes);
    zero = arith::ConstantOp::create(b, b.getZeroAttr(vector));
  }

  void emit() {
    configure();
    loop(m, rows, [&](Value ic) {
      transposed ? copyColumns(ic) : copyRows(ic);
      Value whole_rows = lessOrEqual(add(ic, rows), m);
      loop(n, panel, [&](Value jr) {
        Value whole = arith::AndIOp::create(b, whole_rows,
                                            lessOrEqual(add(jr, panel), n));
        Value place = add(c, add(mul(ic, c_row_bytes), mul(jr, index(4))));
        branch(
            arith::AndIOp::create(b, whole, accumulate),
            [&] {
              eachOfC(place, row_bytes, [&](int64_t t, Value at, Value stride) {
                call("tileloadd64", {tile(t), at, stride});
              });
            },
            [&] {
              for (int64_t t = 0; t < row_tiles * column_tiles; ++t)
                call("tilezero", {tile(t)});
            });
        multiply(ic, jr);
        branch(
            whole, [&] { storeTiles(place, row_bytes); },
            [&] {
              storeTiles(add(scratch, TileRoom::spill), word(panel * 4));
              addEdge(ic, jr, place);
            });
      });
    });
    call("tilerelease", {});
  }

private:
  //===--- tile registers: C, then A, then B ---===//

  Value tile(int64_t number) {
    return LLVM::ConstantOp::create(b, b.getI8Type(),
                                    b.getI8IntegerAttr(int8_t(number)));
  }
  int64_t tileOfA(int64_t i) { return row_tiles * column_tiles + i; }
  int64_t tileOfB(int64_t j) { return tileOfA(row_tiles) + j; }
  Value word(int64_t value) {
    return LLVM::ConstantOp::create(b, b.getI64Type(),
                                    b.getI64IntegerAttr(value));
  }
  void call(StringRef name, ValueRange arguments) {
    LLVM::CallIntrinsicOp::create(b, b.getStringAttr("llvm.x86." + name.str()),
                                  arguments);
  }

  /// All registers have 16 rows of 64 bytes.
  void configure() {
    SmallVector<int8_t> bytes(64, 0);
    bytes[0] = 1; // the palette
    for (int64_t t = 0; t < 8; ++t) {
      bytes[16 + 2 * t] = tileRowBytes;
      bytes[48 + t] = tileRows;
    }
    auto type = VectorType::get({64}, b.getI8Type());
    Value value = arith::ConstantOp::create(
        b, DenseElementsAttr::get(type, ArrayRef<int8_t>(bytes)));
    Value place = pointer(add(scratch, TileRoom::configuration));
    LLVM::StoreOp::create(b, value, place, /*alignment=*/64);
    call("ldtilecfg", {place});
  }

  /// The products of a group of rows with a panel, over the depth.
  void multiply(Value ic, Value jr) {
    Value columns = add(packed, mul(divide(jr, panel), panel_bytes));
    Value copies = add(scratch, room.panel);
    loop(depths, 1, [&](Value d) {
      prefetchNext(ic, jr, d);
      Value of_b = add(columns, mul(d, index(tileRows * panel * 4)));
      Value of_a = add(copies, mul(d, index(rows * tileRowBytes)));
      for (int64_t j = 0; j < column_tiles; ++j) {
        // Past the first level, in which A stays.
        call("tileloaddt164",
             {tile(tileOfB(j)), pointer(add(of_b, j * tileRows * tileRowBytes)),
              word(tileRowBytes)});
        for (int64_t i = 0; i < row_tiles; ++i) {
          if (j == 0)
            call("tileloadd64",
                 {tile(tileOfA(i)),
                  pointer(add(of_a, i * tileRows * tileRowBytes)),
                  word(tileRowBytes)});
          call("tdpbf16ps", {tile(i * column_tiles + j), tile(tileOfA(i)),
                             tile(tileOfB(j))});
        }
      }
    });
  }

  void eachOfC(Value first, Value stride,
               llvm::function_ref<void(int64_t, Value, Value)> body) {
    Value bytes = arith::IndexCastOp::create(b, b.getIndexType(), stride);
    for (int64_t i = 0; i < row_tiles; ++i)
      for (int64_t j = 0; j < column_tiles; ++j)
        body(i * column_tiles + j,
             pointer(add(add(first, mul(bytes, index(i * tileRows))),
                         j * tileRowBytes)),
             stride);
  }
  void storeTiles(Value first, Value stride) {
    eachOfC(first, stride, [&](int64_t t, Value at, Value stride) {
      call("tilestored64", {tile(t), at, stride});
    });
  }

  /// Adds what was stored apart to C: rows below M and lanes below N only.
  void addEdge(Value ic, Value jr, Value place) {
    SmallVector<Value> stored_lanes, loaded_lanes;
    for (int64_t j = 0; j < column_tiles; ++j) {
      Value count = sub(sub(n, jr), index(j * lanes));
      stored_lanes.push_back(mask(lanes, count));
      Value old = arith::SelectOp::create(b, accumulate, count, index(0));
      loaded_lanes.push_back(mask(lanes, old));
    }
    loop(min(sub(m, ic), index(rows)), 1, [&](Value i) {
      Value of_c = add(place, mul(i, c_row_bytes));
      Value of_spill =
          add(add(scratch, TileRoom::spill), mul(i, index(panel * 4)));
      for (int64_t j = 0; j < column_tiles; ++j) {
        Value at = pointer(add(of_c, j * tileRowBytes));
        Value sum = LLVM::LoadOp::create(
            b, vector, pointer(add(of_spill, j * tileRowBytes)),
            /*alignment=*/64);
        Value old = LLVM::MaskedLoadOp::create(b, vector, at, loaded_lanes[j],
                                               zero, b.getI32IntegerAttr(4));
        LLVM::MaskedStoreOp::create(b, arith::AddFOp::create(b, old, sum), at,
                                    stored_lanes[j], b.getI32IntegerAttr(4));
      }
    });
  }

  //===--- A ---===//

  /// Where a row of a tile of A goes, in the copies of a depth.
  Value placeOf(Value d, Value row) {
    return pointer(
        add(add(scratch, room.panel), add(mul(d, index(rows * tileRowBytes)),
                                          mul(row, index(tileRowBytes)))));
  }
  void storeRow(Value value, Value d, Value row) {
    LLVM::StoreOp::create(b, value, placeOf(d, row), /*alignment=*/64);
  }

  /// Copies rows from `ic` as tiles; rows past M are zeros.
  void copyRows(Value ic) {
    Value whole = roundDown(k, tileDepth),
          valid = mask(tileDepth, sub(k, whole));
    Value count = min(sub(m, ic), index(rows));
    loop(count, 1, [&](Value i) {
      Value row = add(ic, i);
      loop(whole, tileDepth, [&](Value at) {
        storeRow(loadStored(tileDepth, stored, a, {row, at}),
                 divide(at, tileDepth), i);
      });
      branch(less(whole, k), [&] {
        storeRow(loadStored(tileDepth, stored, a, {row, whole}, valid),
                 divide(whole, tileDepth), i);
      });
    });
    Value none = arith::ConstantOp::create(b, b.getZeroAttr(words));
    loop(count, index(rows), 1, [&](Value i) {
      loop(depths, 1, [&](Value d) { storeRow(none, d, i); });
    });
  }

  /// The same of columns of a transposed A: of 16 pairs of rows of memory,
  /// interleaved, squares are transposed.
  void copyColumns(Value ic) {
    auto halves = vectorOf(rows, b.getIntegerType(16));
    Value none = arith::ConstantOp::create(b, b.getZeroAttr(halves));
    Value inside = mask(rows, min(sub(m, ic), index(rows)));
    auto block = [&](Value d, bool edge) {
      SmallVector<SmallVector<Value>> squares(row_tiles);
      for (int64_t p = 0; p < lanes; ++p) {
        SmallVector<Value> pair;
        for (int64_t r : {2 * p, 2 * p + 1}) {
          Value row = add(mul(d, index(tileDepth)), r);
          if (!edge) {
            pair.push_back(loadStored(rows, stored, a, {row, ic}, inside));
            continue;
          }
          Value there = min(row, sub(k, index(1)));
          Value loaded = loadStored(rows, stored, a, {there, ic}, inside);
          pair.push_back(
              arith::SelectOp::create(b, less(row, k), loaded, none));
        }
        Value both = bitcast(vectorOf(rows, b.getI32Type()),
                             interleave(pair[0], pair[1]));
        for (int64_t i = 0; i < row_tiles; ++i)
          squares[i].push_back(row_tiles == 1
                                   ? both
                                   : vector::ExtractStridedSliceOp::create(
                                         b, both, {i * lanes}, {lanes}, {1})
                                         .getResult());
      }
      for (auto [i, square] : llvm::enumerate(squares)) {
        transpose(square);
        for (auto [r, row] : llvm::enumerate(square))
          storeRow(row, d, index(int64_t(i) * tileRows + int64_t(r)));
      }
    };
    Value whole = divide(k, tileDepth);
    loop(whole, 1, [&](Value d) { block(d, /*edge=*/false); });
    branch(less(whole, depths), [&] { block(whole, /*edge=*/true); });
  }

  /// Asks for two lines of the next group, others for each panel.
  void prefetchNext(Value ic, Value jr, Value d) {
    Value first = mul(divide(jr, panel), index(2));
    Value next = add(ic, rows), depth = mul(d, index(tileDepth));
    Value last_row = sub(m, index(1)), last_depth = sub(k, index(1));
    for (int64_t i : {0, 1}) {
      Value of_two = min(add(first, i), index(tileDepth - 1));
      if (transposed)
        prefetch(a, {min(add(depth, of_two), last_depth), min(next, last_row)},
                 /*near=*/false);
      else
        prefetch(a, {min(add(next, of_two), last_row), depth}, /*near=*/false);
    }
  }

  //===--- addresses ---===//

  Value address(Value buffer) {
    return memref::ExtractAlignedPointerAsIndexOp::create(b, buffer);
  }
  Value pointer(Value address) {
    Value bits = arith::IndexCastOp::create(b, b.getI64Type(), address);
    return LLVM::IntToPtrOp::create(
        b, LLVM::LLVMPointerType::get(b.getContext()), bits);
  }

  Type stored;
  bool transposed;
  int64_t lanes, row_tiles, column_tiles;
  int64_t rows, panel; ///< of C in registers: rows, columns
  TileRoom room;
  VectorType words, vector; ///< 16 pairs, 16 elements of C
  Value m, n, k, accumulate, a, zero;
  Value depths; ///< tiles in depth
  /// Addresses and distances in bytes.
  Value packed, panel_bytes, c, c_row_bytes, row_bytes, scratch;
};

} // namespace

void emitMultiplyTiles(ImplicitLocOpBuilder &builder,
                       const ProductFunction &function, int64_t lanes,
                       ValueRange arguments) {
  TilesEmitter(builder, function, lanes, arguments).emit();
}

} // namespace trainc::codegen
