//===- MachineSweeps.cpp - loops of nothing but loads, stores, FMAs -------===//
//
// Each loop has enough independent chains to hide the latency of two units.
// The functions carry their own targets, so the file is compiled for any
// x86-64 and still uses what the processor has.
//
//===----------------------------------------------------------------------===//
#include "runtime/device/cpu/MachineSweeps.h"

#include "runtime/plan/CpuFeatures.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#define TRAINC_TARGET(features) __attribute__((target(features)))
#endif

using namespace trainc::detail;

/// What an optimiser must not see through.
static float opaque(float value) {
  volatile float hidden = value;
  return hidden;
}

//===----------------------------------------------------------------------===//
// Any processor: what the compiler makes of plain loops
//===----------------------------------------------------------------------===//

static float readPlain(const float *data, size_t count) {
  constexpr size_t lanes = 32;
  float sums[lanes] = {};
  for (size_t i = 0; i + lanes <= count; i += lanes)
    for (size_t lane = 0; lane != lanes; ++lane)
      sums[lane] += data[i + lane];
  float sum = 0;
  for (const float part : sums)
    sum += part;
  return sum;
}

static void copyPlain(float *to, const float *from, size_t count) {
  std::memcpy(to, from, count * sizeof(float));
}

static void scalePlain(float *data, size_t count) {
  const float factor = opaque(1.0f);
  for (size_t i = 0; i != count; ++i)
    data[i] *= factor;
}

static constexpr unsigned plainLanes = 32;
static float multiplyAddsPlain(uint64_t steps) {
  const float x = opaque(0.5f), y = opaque(0.25f);
  float sums[plainLanes] = {};
  for (uint64_t step = 0; step != steps; ++step)
    for (float &sum : sums)
      sum = sum * x + y;
  return readPlain(sums, plainLanes);
}

#if defined(__x86_64__)

//===----------------------------------------------------------------------===//
// AVX2 and AVX-512
//===----------------------------------------------------------------------===//

namespace {
constexpr size_t avx2Chains = 12, avx512Chains = 16;
constexpr size_t floatsPerLine = 16;
/// How far ahead of a sweep lines are asked for, where the processor's own
/// guess is not enough: about what memory delivers in its latency.
constexpr size_t floatsAhead = 512;
} // namespace

// One definition for both widths: the loops are the same, and their text must
// stay so for the results to be comparable.
#define TRAINC_SWEEPS(Suffix, features, Vector, lanes, chains, prefix)         \
  TRAINC_TARGET(features)                                                      \
  static float read##Suffix(const float *data, size_t count) {                 \
    static_assert(sweepStep % (8 * lanes) == 0);                               \
    Vector sums[8];                                                            \
    for (Vector &sum : sums)                                                   \
      sum = prefix##_setzero_ps();                                             \
    for (size_t i = 0; i != count; i += 8 * lanes)                             \
      for (size_t j = 0; j != 8; ++j)                                          \
        sums[j] =                                                              \
            prefix##_add_ps(sums[j], prefix##_loadu_ps(data + i + j * lanes)); \
    for (size_t j = 1; j != 8; ++j)                                            \
      sums[0] = prefix##_add_ps(sums[0], sums[j]);                             \
    float parts[lanes];                                                        \
    prefix##_storeu_ps(parts, sums[0]);                                        \
    return parts[0] + parts[lanes - 1];                                        \
  }                                                                            \
                                                                               \
  TRAINC_TARGET(features)                                                      \
  static void copy##Suffix(float *to, const float *from, size_t count) {       \
    for (size_t i = 0; i != count; i += 4 * lanes)                             \
      for (size_t j = 0; j != 4; ++j)                                          \
        prefix##_storeu_ps(to + i + j * lanes,                                 \
                           prefix##_loadu_ps(from + i + j * lanes));           \
  }                                                                            \
                                                                               \
  template <size_t ahead>                                                      \
  TRAINC_TARGET(features)                                                      \
  static void scale##Suffix(float *data, size_t count) {                       \
    const Vector factor = prefix##_set1_ps(opaque(1.0f));                      \
    for (size_t i = 0; i != count; i += 4 * lanes) {                           \
      if constexpr (ahead != 0)                                                \
        for (size_t j = 0; j != 4 * lanes; j += floatsPerLine)                 \
          _mm_prefetch(data + i + j + ahead, _MM_HINT_T0);                     \
      for (size_t j = 0; j != 4; ++j)                                          \
        prefix##_storeu_ps(                                                    \
            data + i + j * lanes,                                              \
            prefix##_mul_ps(factor, prefix##_loadu_ps(data + i + j * lanes))); \
    }                                                                          \
  }                                                                            \
                                                                               \
  TRAINC_TARGET(features)                                                      \
  static float multiplyAdds##Suffix(uint64_t steps) {                          \
    const Vector x = prefix##_set1_ps(opaque(0.5f));                           \
    const Vector y = prefix##_set1_ps(opaque(0.25f));                          \
    Vector sums[chains];                                                       \
    for (Vector &sum : sums)                                                   \
      sum = y;                                                                 \
    for (uint64_t step = 0; step != steps; ++step)                             \
      for (Vector &sum : sums)                                                 \
        sum = prefix##_fmadd_ps(sum, x, y);                                    \
    for (size_t j = 1; j != chains; ++j)                                       \
      sums[0] = prefix##_add_ps(sums[0], sums[j]);                             \
    float parts[lanes];                                                        \
    prefix##_storeu_ps(parts, sums[0]);                                        \
    return parts[0] + parts[lanes - 1];                                        \
  }

TRAINC_SWEEPS(Avx2, "avx2,fma", __m256, 8, avx2Chains, _mm256)
TRAINC_SWEEPS(Avx512, "avx512f", __m512, 16, avx512Chains, _mm512)

//===----------------------------------------------------------------------===//
// Pairs of bfloat16
//===----------------------------------------------------------------------===//

/// What one instruction does: 16 sums of two products, and 256 sums of 32.
static constexpr double vectorPairFlops = 64, tilePairFlops = 16384;
static constexpr size_t tileBytes = 1024;

TRAINC_TARGET("avx512f,avx512bf16")
static float multiplyPairsVectors(uint64_t steps) {
  const auto ones = reinterpret_cast<__m512bh>(
      _mm512_set1_epi32(opaque(1.0f) > 0 ? 0x3f803f80 : 0));
  __m512 sums[avx512Chains];
  for (__m512 &sum : sums)
    sum = _mm512_setzero_ps();
  for (uint64_t step = 0; step != steps; ++step)
    for (__m512 &sum : sums)
      sum = _mm512_dpbf16_ps(sum, ones, ones);
  for (size_t j = 1; j != avx512Chains; ++j)
    sums[0] = _mm512_add_ps(sums[0], sums[j]);
  float parts[16];
  _mm512_storeu_ps(parts, sums[0]);
  return parts[0] + parts[15];
}

TRAINC_TARGET("amx-tile,amx-bf16")
static float multiplyPairsTiles(uint64_t steps) {
  // Palette 1; all tiles have 16 rows of 64 bytes.
  alignas(64) uint8_t configuration[64] = {1};
  for (size_t tile = 0; tile != 8; ++tile) {
    configuration[16 + 2 * tile] = 64;
    configuration[48 + tile] = 16;
  }
  alignas(64) float data[tileBytes / sizeof(float)];
  for (float &value : data)
    value = opaque(0.5f);
  _tile_loadconfig(configuration);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, data, 64);
  _tile_loadd(5, data, 64);
  for (uint64_t step = 0; step != steps; ++step) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_stored(0, data, 64);
  _tile_release();
  return data[0];
}

#endif

//===----------------------------------------------------------------------===//
// Choice
//===----------------------------------------------------------------------===//

static SweepFunctions choose() {
  SweepFunctions functions = {};
  functions.read = readPlain;
  functions.copy = copyPlain;
  functions.scale[0] = scalePlain;
  functions.multiply_adds[0] = {multiplyAddsPlain, 2 * plainLanes};
#if defined(__x86_64__)
  if (trainc::cpuSupports("avx2") && trainc::cpuSupports("fma")) {
    functions.read = readAvx2;
    functions.copy = copyAvx2;
    functions.scale = {scaleAvx2<0>, scaleAvx2<floatsAhead>};
    functions.multiply_adds[1] = {multiplyAddsAvx2, 2 * 8 * avx2Chains};
  }
  if (trainc::cpuSupports("avx512f")) {
    functions.read = readAvx512;
    functions.copy = copyAvx512;
    functions.scale = {scaleAvx512<0>, scaleAvx512<floatsAhead>};
    functions.multiply_adds[2] = {multiplyAddsAvx512, 2 * 16 * avx512Chains};
    if (trainc::cpuSupports("avx512bf16"))
      functions.multiply_pairs[0] = {multiplyPairsVectors,
                                     vectorPairFlops * avx512Chains};
  }
  if (trainc::cpuSupports("amx-tile") && trainc::cpuSupports("amx-bf16"))
    functions.multiply_pairs[1] = {multiplyPairsTiles, 4 * tilePairFlops};
#endif
  return functions;
}

const SweepFunctions &trainc::detail::sweepFunctions() {
  static const SweepFunctions functions = choose();
  return functions;
}
