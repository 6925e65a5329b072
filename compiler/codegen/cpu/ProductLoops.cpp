//===- ProductLoops.cpp - a product as calls of shared functions ----------===//
//
// Decides how a product is cut to fit caches: blocks of columns and of depth
// whose part of B is packed once and stays in the second level, while all rows
// of A pass by it.
//
//===----------------------------------------------------------------------===//
#include "compiler/codegen/cpu/ProductLoops.h"
#include "compiler/codegen/cpu/LoopBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace trainc::codegen {
namespace {

/// Largest depth of a block, in bytes of one column: the longer, the less often
/// C is read and written. Copied rows of a transposed A share the first level
/// with those in use.
constexpr int64_t depthBlockBytes = 3072, depthBlockBytesTransposed = 2048;
/// The same in tiles, where 32 rows of A fill the first level and columns pass
/// by it.
constexpr int64_t depthBlockBytesTiles = 1536;
/// Largest size of a packed block: half of a second level of 2 MiB.
constexpr int64_t packedBlockBytes = 1 << 20;
/// In tiles, 768 columns of depth 768.
constexpr int64_t packedBlockBytesTiles = 1152 << 10;
/// Rows of C that are finished while they are in the second level. Copies of a
/// transposed A start anew in each part.
constexpr int64_t finishedRows = 64, finishedRowsTransposed = 256;

class ProductBuilder : LoopBuilder {
public:
  ProductBuilder(ImplicitLocOpBuilder &builder, const Gemm &gemm,
                 const VectorUnit &unit, ModuleOp module)
      : LoopBuilder(builder,
                    cast<MemRefType>(gemm.c.getType()).getElementType()),
        gemm(gemm), module(module) {
    stored = cast<MemRefType>(gemm.a.getType()).getElementType();
    function = {ProductFunction::MultiplyRows,
                element,
                stored,
                {},
                gemm.a_transposed,
                stored.isBF16() ? unit.pairs : PairUnit::None};
    int64_t lanes = unit.lanes(element),
            bytes = function.panelElement().getIntOrFloatBitWidth() / 8;
    bool tiles = function.inTiles();
    RegisterTile &tile = function.tile;
    tile = tiles ? chooseTileRegisters(gemm.m.bound, gemm.n.bound)
                 : chooseRegisterTile(unit, lanes, gemm.m.bound, gemm.n.bound);
    int64_t panel = tile.column_vectors * lanes;
    block_k = (tiles               ? depthBlockBytesTiles
               : gemm.a_transposed ? depthBlockBytesTransposed
                                   : depthBlockBytes) /
              bytes;
    if (gemm.k.bound) {
      // Blocks of equal depth.
      int64_t depth = std::max<int64_t>(*gemm.k.bound, 1);
      int64_t blocks = llvm::divideCeil(depth, block_k);
      block_k =
          blocks == 1
              ? depth
              : llvm::alignTo(llvm::divideCeil(depth, blocks),
                              std::max<int64_t>(16, function.depthUnit()));
    }
    int64_t block_bytes = tiles ? packedBlockBytesTiles : packedBlockBytes;
    int64_t widest =
        std::max<int64_t>(panel, block_bytes / bytes / block_k / panel * panel);
    // Wider ones gain nothing.
    widest = std::min<int64_t>(widest, 1024 / panel * panel);
    block_n = std::min<int64_t>(
        widest,
        llvm::alignTo(std::max<int64_t>(gemm.n.bound.value_or(widest), 1),
                      panel));
    // Panels are a row longer than needed: at a distance of a power of two
    // their lines would compete for the same sets of the cache.
    int64_t depth = llvm::alignTo(block_k, function.depthUnit());
    panel_stride = (depth + (tiles ? 2 : 1)) * panel;
    packed = allocate(block_n / panel * panel_stride);
    if (tiles)
      panels = allocate(TileRoom(tile).bytes(tile, depth) / bytes);
    else if (gemm.a_transposed)
      panels = allocate(RowPanels(tile, lanes).elements(depth));
    else if (function.widens())
      panels = allocate(tile.rows * (block_k + widenedRowGap));
  }

  void build() {
    // A loop of one iteration is one that LLVM removes.
    loop(gemm.n.value, block_n, [&](Value jc) {
      bool whole = gemm.n.constant && *gemm.n.constant <= block_n;
      Value n =
          whole ? gemm.n.value : min(sub(gemm.n.value, jc), index(block_n));
      loop(gemm.k.value, block_k, [&](Value pc) {
        Value k = min(sub(gemm.k.value, pc), index(block_k));
        pack(jc, pc, n, k);
        auto all = [&] { multiply(index(0), jc, pc, gemm.m.value, n, k); };
        if (!gemm.finish)
          return all();
        branch(less(add(pc, block_k), gemm.k.value), all, [&] {
          int64_t part =
              gemm.a_transposed ? finishedRowsTransposed : finishedRows;
          loop(gemm.m.value, part, [&](Value ic) {
            Value m = gemm.m.constant && *gemm.m.constant % part == 0
                          ? index(part)
                          : min(sub(gemm.m.value, ic), index(part));
            multiply(ic, jc, pc, m, n, k);
            gemm.finish(ic, jc, m, n);
          });
        });
      });
    });
  }

private:
  Value allocate(int64_t elements) {
    return memref::AllocOp::create(
        b, MemRefType::get({elements}, function.panelElement()),
        b.getI64IntegerAttr(64));
  }

  void pack(Value jc, Value pc, Value n, Value k) {
    SmallVector<Value> arguments =
        gemm.b_transposed ? at(gemm.b, jc, pc) : at(gemm.b, pc, jc);
    arguments.append({base(packed), index(panel_stride), n, k});
    ProductFunction packing = function;
    packing.kind = ProductFunction::PackColumns;
    packing.transposed = gemm.b_transposed;
    call(packing, arguments);
  }

  void multiply(Value ic, Value jc, Value pc, Value m, Value n, Value k) {
    SmallVector<Value> arguments =
        gemm.a_transposed ? at(gemm.a, pc, ic) : at(gemm.a, ic, pc);
    arguments.append({base(packed), index(panel_stride)});
    arguments.append(at(gemm.c, ic, jc));
    // The first block of the depth replaces C when the product does.
    Value accumulate =
        gemm.overwrite
            ? less(index(0), pc)
            : arith::ConstantOp::create(b, b.getBoolAttr(true)).getResult();
    arguments.append({m, n, k, accumulate});
    if (function.copiesRows())
      arguments.push_back(base(panels));
    call(function, arguments);
  }

  /// Buffer, offset and distance of rows of the part of a view that starts at
  /// a row and a column.
  SmallVector<Value> at(Value view, Value row, Value column) {
    auto parts = memref::ExtractStridedMetadataOp::create(b, view);
    Value stride = parts.getStrides()[0];
    Value offset = add(parts.getOffset(), mul(row, stride));
    return {parts.getBaseBuffer(), add(offset, column), stride};
  }
  Value base(Value buffer) {
    return memref::ExtractStridedMetadataOp::create(b, buffer).getBaseBuffer();
  }

  void call(const ProductFunction &function, ValueRange arguments) {
    std::string name = function.getName();
    if (!module.lookupSymbol(name)) {
      OpBuilder declarations = OpBuilder::atBlockBegin(module.getBody());
      auto declaration = func::FuncOp::create(declarations, module.getLoc(),
                                              name, function.getType());
      declaration.setPrivate();
      declaration->setAttr(productFunctionAttr, function.toAttribute());
    }
    func::CallOp::create(b, name, TypeRange(), arguments);
  }

  const Gemm &gemm;
  ModuleOp module;
  Type stored;              ///< element type of A and B
  ProductFunction function; ///< that multiplies rows
  int64_t block_n, block_k, panel_stride;
  Value packed, panels;
};

} // namespace

void buildProduct(ImplicitLocOpBuilder &builder, const Gemm &gemm,
                  const VectorUnit &unit, ModuleOp module) {
  ProductBuilder(builder, gemm, unit, module).build();
}

} // namespace trainc::codegen
