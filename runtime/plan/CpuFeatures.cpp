//===- CpuFeatures.cpp - CPUID bits under LLVM's names --------------------===//
//
// Bit positions are those of Intel's SDM, volume 2, CPUID, and AMD's APM,
// volume 3, appendix E. A feature with registers of its own also needs the
// operating system to save them, which XGETBV tells.
//
//===----------------------------------------------------------------------===//
#include "runtime/plan/CpuFeatures.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

enum Register { Eax, Ebx, Ecx, Edx };

/// XCR0 bits that must be set: saved register state.
enum : uint32_t {
  NoState = 0,
  Avx = 0x6,     // XMM, YMM
  Avx512 = 0xe6, // and opmasks, ZMM
  Amx = 0x60000  // tile configuration and data
};

struct Feature {
  std::string_view name;
  uint32_t leaf, subleaf;
  Register reg;
  unsigned bit;
  uint32_t state;
};

constexpr Feature features[] = {
    {"cx8", 1, 0, Edx, 8, NoState},
    {"cmov", 1, 0, Edx, 15, NoState},
    {"mmx", 1, 0, Edx, 23, NoState},
    {"fxsr", 1, 0, Edx, 24, NoState},
    {"sse", 1, 0, Edx, 25, NoState},
    {"sse2", 1, 0, Edx, 26, NoState},
    {"sse3", 1, 0, Ecx, 0, NoState},
    {"pclmul", 1, 0, Ecx, 1, NoState},
    {"ssse3", 1, 0, Ecx, 9, NoState},
    {"fma", 1, 0, Ecx, 12, Avx},
    {"cx16", 1, 0, Ecx, 13, NoState},
    {"sse4.1", 1, 0, Ecx, 19, NoState},
    {"sse4.2", 1, 0, Ecx, 20, NoState},
    {"crc32", 1, 0, Ecx, 20, NoState},
    {"movbe", 1, 0, Ecx, 22, NoState},
    {"popcnt", 1, 0, Ecx, 23, NoState},
    {"aes", 1, 0, Ecx, 25, NoState},
    {"xsave", 1, 0, Ecx, 26, NoState},
    {"avx", 1, 0, Ecx, 28, Avx},
    {"f16c", 1, 0, Ecx, 29, Avx},
    {"rdrnd", 1, 0, Ecx, 30, NoState},
    {"fsgsbase", 7, 0, Ebx, 0, NoState},
    {"bmi", 7, 0, Ebx, 3, NoState},
    {"avx2", 7, 0, Ebx, 5, Avx},
    {"bmi2", 7, 0, Ebx, 8, NoState},
    {"invpcid", 7, 0, Ebx, 10, NoState},
    {"avx512f", 7, 0, Ebx, 16, Avx512},
    {"avx512dq", 7, 0, Ebx, 17, Avx512},
    {"rdseed", 7, 0, Ebx, 18, NoState},
    {"adx", 7, 0, Ebx, 19, NoState},
    {"avx512ifma", 7, 0, Ebx, 21, Avx512},
    {"clflushopt", 7, 0, Ebx, 23, NoState},
    {"clwb", 7, 0, Ebx, 24, NoState},
    {"avx512cd", 7, 0, Ebx, 28, Avx512},
    {"sha", 7, 0, Ebx, 29, NoState},
    {"avx512bw", 7, 0, Ebx, 30, Avx512},
    {"avx512vl", 7, 0, Ebx, 31, Avx512},
    {"avx512vbmi", 7, 0, Ecx, 1, Avx512},
    {"pku", 7, 0, Ecx, 4, NoState},
    {"avx512vbmi2", 7, 0, Ecx, 6, Avx512},
    {"shstk", 7, 0, Ecx, 7, NoState},
    {"gfni", 7, 0, Ecx, 8, NoState},
    {"vaes", 7, 0, Ecx, 9, Avx},
    {"vpclmulqdq", 7, 0, Ecx, 10, Avx},
    {"avx512vnni", 7, 0, Ecx, 11, Avx512},
    {"avx512bitalg", 7, 0, Ecx, 12, Avx512},
    {"avx512vpopcntdq", 7, 0, Ecx, 14, Avx512},
    {"rdpid", 7, 0, Ecx, 22, NoState},
    {"movdiri", 7, 0, Ecx, 27, NoState},
    {"movdir64b", 7, 0, Ecx, 28, NoState},
    {"avx512vp2intersect", 7, 0, Edx, 8, Avx512},
    {"serialize", 7, 0, Edx, 14, NoState},
    {"amx-bf16", 7, 0, Edx, 22, Amx},
    {"avx512fp16", 7, 0, Edx, 23, Avx512},
    {"amx-tile", 7, 0, Edx, 24, Amx},
    {"amx-int8", 7, 0, Edx, 25, Amx},
    {"avxvnni", 7, 1, Eax, 4, Avx},
    {"avx512bf16", 7, 1, Eax, 5, Avx512},
    {"avxifma", 7, 1, Eax, 23, Avx},
    {"avxvnniint8", 7, 1, Edx, 4, Avx},
    {"avxneconvert", 7, 1, Edx, 5, Avx},
    {"prefetchi", 7, 1, Edx, 14, NoState},
    {"xsaveopt", 0xd, 1, Eax, 0, NoState},
    {"xsavec", 0xd, 1, Eax, 1, NoState},
    {"xsaves", 0xd, 1, Eax, 3, NoState},
    {"sahf", 0x80000001, 0, Ecx, 0, NoState},
    {"lzcnt", 0x80000001, 0, Ecx, 5, NoState},
    {"sse4a", 0x80000001, 0, Ecx, 6, NoState},
    {"prfchw", 0x80000001, 0, Ecx, 8, NoState},
    {"xop", 0x80000001, 0, Ecx, 11, Avx},
    {"fma4", 0x80000001, 0, Ecx, 16, Avx},
    {"tbm", 0x80000001, 0, Ecx, 21, NoState},
    {"mwaitx", 0x80000001, 0, Ecx, 29, NoState},
    {"64bit", 0x80000001, 0, Edx, 29, NoState},
    {"clzero", 0x80000008, 0, Ebx, 0, NoState},
    {"rdpru", 0x80000008, 0, Ebx, 4, NoState},
    {"wbnoinvd", 0x80000008, 0, Ebx, 9, NoState},
};

/// XCR0; 0 when the operating system saves no extended state.
uint32_t savedState() {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr uint32_t osxsave = 1u << 27;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & osxsave) == 0)
    return 0;
  __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return eax;
}

/// Linux gives tile registers to processes that ask for them
/// (Documentation/arch/x86/xstate.rst), once for all threads.
bool askForTiles() {
  constexpr long archReqXcompPerm = 0x1023, tileData = 18;
  static const bool granted =
      syscall(SYS_arch_prctl, archReqXcompPerm, tileData) == 0;
  return granted;
}

} // namespace

bool trainc::cpuSupports(std::string_view name) {
  // Every x86-64 processor has an x87 unit; LLVM lists it all the same.
  if (name == "x87")
    return true;
  for (const Feature &feature : features) {
    if (feature.name != name)
      continue;
    uint32_t registers[4] = {};
    if (!__get_cpuid_count(feature.leaf, feature.subleaf, &registers[Eax],
                           &registers[Ebx], &registers[Ecx], &registers[Edx]))
      return false;
    const bool present = (registers[feature.reg] >> feature.bit & 1) != 0;
    return present && (savedState() & feature.state) == feature.state &&
           (feature.state != Amx || askForTiles());
  }
  return false;
}

#else

bool trainc::cpuSupports(std::string_view name) { return false; }

#endif
