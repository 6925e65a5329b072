//===- ProductFunction.cpp - functions that kernels share -----------------===//
#include "compiler/codegen/cpu/ProductFunction.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <limits>

using namespace mlir;

namespace trainc::codegen {

RegisterTile chooseRegisterTile(const VectorUnit &unit, int64_t lanes,
                                std::optional<int64_t> m_bound,
                                std::optional<int64_t> n_bound) {
  // Rows for 1 to 4 vectors of columns: 24 of 32, or 12 of 16, accumulators.
  static constexpr int64_t rows32[] = {16, 12, 8, 6}, rows16[] = {8, 6, 4, 3};
  const int64_t *rows = unit.registers >= 32 ? rows32 : rows16;
  RegisterTile best = {rows[2], 3};
  double best_cost = std::numeric_limits<double>::infinity();
  // Three vectors first: it wins ties.
  for (int64_t vectors : {3, 4, 2, 1}) {
    RegisterTile tile = {rows[vectors - 1], vectors};
    if (m_bound)
      tile.rows = std::clamp<int64_t>(*m_bound, 1, tile.rows);
    // Loads per multiply-add, those of B from the second level, not the first.
    double loads = double(tile.rows + vectors) / double(tile.rows * vectors);
    double cost = 1 + 0.1 * loads + 0.2 / double(tile.rows);
    if (n_bound && *n_bound > 0)
      cost *=
          double(llvm::alignTo(*n_bound, vectors * lanes)) / double(*n_bound);
    if (m_bound && *m_bound > 0)
      cost *= double(llvm::alignTo(*m_bound, tile.rows)) / double(*m_bound);
    if (cost < best_cost - 1e-9) {
      best = tile;
      best_cost = cost;
    }
  }
  return best;
}

SmallVector<StringRef> featuresOf(PairUnit unit) {
  switch (unit) {
  case PairUnit::None:
    return {};
  case PairUnit::Vectors:
    return {"avx512bf16"};
  case PairUnit::Tiles:
    return {"amx-tile", "amx-bf16"};
  }
  llvm_unreachable("all units are named above");
}

RegisterTile chooseTileRegisters(std::optional<int64_t> m_bound,
                                 std::optional<int64_t> n_bound) {
  // Of 8 registers 4 for C, 2 for A and 2 for B: each is used twice.
  bool few_rows = m_bound && *m_bound <= tileRows,
       few_columns = n_bound && *n_bound <= tileRows;
  return {few_rows ? tileRows : 2 * tileRows, few_columns ? 1 : 2};
}

std::string ProductFunction::getName() const {
  std::string name =
      kind == PackColumns ? "product.pack_columns." : "product.multiply_rows.";
  name += "f" + std::to_string(element.getIntOrFloatBitWidth()) + ".";
  if (stored != element)
    name += stored.isBF16() ? "bf16." : "f16.";
  if (inPairs())
    name += inTiles() ? "tiles." : "dots.";
  if (kind == MultiplyRows)
    name += std::to_string(tile.rows) + "x";
  name += std::to_string(tile.column_vectors);
  return name + (transposed ? ".transposed" : "");
}

FunctionType ProductFunction::getType() const {
  Builder b(element.getContext());
  Type factor = MemRefType::get({}, stored), index = b.getIndexType();
  Type panel = MemRefType::get({}, panelElement());
  SmallVector<Type> types = {factor, index, index, panel, index};
  if (kind == MultiplyRows)
    types.append({MemRefType::get({}, element), index, index, index});
  types.append({index, index});
  if (kind == MultiplyRows)
    types.push_back(b.getI1Type());
  if (kind == MultiplyRows && copiesRows())
    types.push_back(panel);
  return b.getFunctionType(types, {});
}

DictionaryAttr ProductFunction::toAttribute() const {
  Builder b(element.getContext());
  return b.getDictionaryAttr(
      {b.getNamedAttr("columns", b.getI64IntegerAttr(tile.column_vectors)),
       b.getNamedAttr("element", TypeAttr::get(element)),
       b.getNamedAttr("kind", b.getI64IntegerAttr(kind)),
       b.getNamedAttr("pairs", b.getI64IntegerAttr(int64_t(pairs))),
       b.getNamedAttr(
           "rows", b.getI64IntegerAttr(kind == MultiplyRows ? tile.rows : 0)),
       b.getNamedAttr("stored", TypeAttr::get(stored)),
       b.getNamedAttr("transposed", b.getBoolAttr(transposed))});
}

ProductFunction ProductFunction::fromAttribute(DictionaryAttr attribute) {
  auto number = [&](StringRef name) {
    return attribute.getAs<IntegerAttr>(name).getInt();
  };
  return {Kind(number("kind")),
          attribute.getAs<TypeAttr>("element").getValue(),
          attribute.getAs<TypeAttr>("stored").getValue(),
          {number("rows"), number("columns")},
          attribute.getAs<BoolAttr>("transposed").getValue(),
          PairUnit(number("pairs"))};
}

RowPanels::RowPanels(const RegisterTile &tile, int64_t lanes)
    : groups(1), width(llvm::PowerOf2Ceil(tile.rows)) {
  if (width == tile.rows)
    groups = std::max<int64_t>(1, lanes / width);
}

} // namespace trainc::codegen
