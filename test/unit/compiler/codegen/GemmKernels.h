//===- GemmKernels.h - text of matrix product kernels -------------*- C++
//-*-===//
//
// Writes a plan.kernel for C = A B in every layout, cut into workgroups of
// tiles with dynamic edges as the fusion stage cuts them. Tests and benchmarks
// share it.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TEST_UNIT_COMPILER_CODEGEN_GEMMKERNELS_H
#define TRAINC_TEST_UNIT_COMPILER_CODEGEN_GEMMKERNELS_H

#include <cstdint>
#include <fmt/format.h>
#include <string>

namespace trainc::test {

struct GemmShape {
  std::string name;
  int64_t m, n, k;
  bool a_transposed = false; ///< A is [K, M]
  bool b_transposed = false; ///< B is [N, K]
  std::string type = "f32";
  bool accumulate = false; ///< C += A B
  int64_t tile_m = 256, tile_n = 192;
  /// One product over the whole of C, with static sizes and no workgroups.
  bool whole = false;
  /// C is [N, M].
  bool c_transposed = false;
};

/// Parameters: A, B, C.
inline std::string gemmKernel(const GemmShape &s) {
  auto type = [&](int64_t rows, int64_t columns) {
    return fmt::format("memref<{}x{}x{}>", rows, columns, s.type);
  };
  std::string a = s.a_transposed ? type(s.k, s.m) : type(s.m, s.k);
  std::string b = s.b_transposed ? type(s.n, s.k) : type(s.k, s.n);
  std::string c = s.c_transposed ? type(s.n, s.m) : type(s.m, s.n);
  std::string body = fmt::format(
      "plan.kernel @{} access [1, 1, {}] computes \"nn.matmul\" {{\n"
      "^bb0(%a: {}, %b: {}, %c: {}):\n  %zero = arith.constant 0.0 : {}\n",
      s.name, s.accumulate ? 3 : 2, a, b, c, s.type);
  std::string at = a, bt = b, ct = c, av = "%a", bv = "%b", cv = "%c";
  if (!s.whole) {
    auto tile = [&](int64_t size, int64_t step) {
      return size % step == 0 ? std::to_string(step) : std::string("?");
    };
    std::string m = tile(s.m, s.tile_m), n = tile(s.n, s.tile_n);
    std::string mv = m == "?" ? "%m" : m, nv = n == "?" ? "%n" : n;
    body += fmt::format(
        "scf.forall (%i, %j) = (0, 0) to ({}, {}) step ({}, {}) {{\n", s.m, s.n,
        s.tile_m, s.tile_n);
    body +=
        fmt::format("  %m = affine.min affine_map<(d0) -> ({} - d0, {})>(%i)\n"
                    "  %n = affine.min affine_map<(d0) -> ({} - d0, {})>(%j)\n",
                    s.m, s.tile_m, s.n, s.tile_n);
    auto slice = [&](const char *to, const char *from, std::string source,
                     std::string offsets, std::string sizes, std::string shape,
                     int64_t stride) {
      std::string result = fmt::format(
          "memref<{}x{}, strided<[{}, 1], offset: ?>>", shape, s.type, stride);
      body +=
          fmt::format("  {} = memref.subview {}[{}] [{}] [1, 1] : {} to {}\n",
                      to, from, offsets, sizes, source, result);
      return result;
    };
    auto pair = [](auto x, auto y, const char *between) {
      return fmt::format("{}{}{}", x, between, y);
    };
    at = s.a_transposed ? slice("%as", "%a", a, "0, %i", pair(s.k, mv, ", "),
                                pair(s.k, m, "x"), s.m)
                        : slice("%as", "%a", a, "%i, 0", pair(mv, s.k, ", "),
                                pair(m, s.k, "x"), s.k);
    bt = s.b_transposed ? slice("%bs", "%b", b, "%j, 0", pair(nv, s.k, ", "),
                                pair(n, s.k, "x"), s.k)
                        : slice("%bs", "%b", b, "0, %j", pair(s.k, nv, ", "),
                                pair(s.k, n, "x"), s.n);
    ct = s.c_transposed ? slice("%cs", "%c", c, "%j, %i", pair(nv, mv, ", "),
                                pair(n, m, "x"), s.m)
                        : slice("%cs", "%c", c, "%i, %j", pair(mv, nv, ", "),
                                pair(m, n, "x"), s.n);
    av = "%as", bv = "%bs", cv = "%cs";
  }
  if (!s.accumulate)
    body += fmt::format("  linalg.fill ins(%zero : {}) outs({} : {})\n", s.type,
                        cv, ct);
  body += fmt::format(
      "  linalg.generic {{indexing_maps = [affine_map<(m, n, k) -> ({})>, "
      "affine_map<(m, n, k) -> ({})>, affine_map<(m, n, k) -> ({})>], "
      "iterator_types = "
      "[\"parallel\", \"parallel\", \"reduction\"]}} ins({}, {} : {}, {}) "
      "outs({} : {}) {{\n",
      s.a_transposed ? "k, m" : "m, k", s.b_transposed ? "n, k" : "k, n",
      s.c_transposed ? "n, m" : "m, n", av, bv, at, bt, cv, ct);
  body += fmt::format("  ^bb0(%x: {0}, %y: {0}, %z: {0}):\n"
                      "    %p = arith.mulf %x, %y : {0}\n"
                      "    %q = arith.addf %z, %p : {0}\n"
                      "    linalg.yield %q : {0}\n  }}\n",
                      s.type);
  if (!s.whole)
    body += "}\n";
  return body + "plan.return\n}\n";
}

} // namespace trainc::test

#endif // TRAINC_TEST_UNIT_COMPILER_CODEGEN_GEMMKERNELS_H
