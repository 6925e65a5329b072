#include "runtime/plan/CpuFeatures.h"

#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>

using namespace trainc;

TEST(CpuFeatures, UnknownNamesAreUnsupported) {
  EXPECT_FALSE(cpuSupports(""));
  EXPECT_FALSE(cpuSupports("avx9000"));
  EXPECT_FALSE(cpuSupports("avx512_bf16")); // the kernel's name, not LLVM's
}

#if defined(__x86_64__)
// Linux decides the same question from the same registers.
TEST(CpuFeatures, AgreesWithTheOperatingSystem) {
  std::ifstream file("/proc/cpuinfo");
  std::set<std::string> flags;
  for (std::string line; flags.empty() && std::getline(file, line);)
    if (line.rfind("flags", 0) == 0) {
      std::istringstream words(line.substr(line.find(':') + 1));
      for (std::string word; words >> word;)
        flags.insert(word);
    }
  if (flags.empty())
    GTEST_SKIP() << "no /proc/cpuinfo";
  const std::pair<const char *, const char *> names[] = {
      {"sse2", "sse2"},
      {"sse3", "pni"},
      {"ssse3", "ssse3"},
      {"sse4.1", "sse4_1"},
      {"sse4.2", "sse4_2"},
      {"popcnt", "popcnt"},
      {"avx", "avx"},
      {"avx2", "avx2"},
      {"fma", "fma"},
      {"f16c", "f16c"},
      {"bmi", "bmi1"},
      {"bmi2", "bmi2"},
      {"lzcnt", "abm"},
      {"sse4a", "sse4a"},
      {"clzero", "clzero"},
      {"adx", "adx"},
      {"sha", "sha_ni"},
      {"gfni", "gfni"},
      {"vaes", "vaes"},
      {"avxvnni", "avx_vnni"},
      {"avx512f", "avx512f"},
      {"avx512bw", "avx512bw"},
      {"avx512dq", "avx512dq"},
      {"avx512vl", "avx512vl"},
      {"avx512cd", "avx512cd"},
      {"avx512vbmi", "avx512vbmi"},
      {"avx512vbmi2", "avx512_vbmi2"},
      {"avx512vnni", "avx512_vnni"},
      {"avx512bitalg", "avx512_bitalg"},
      {"avx512vpopcntdq", "avx512_vpopcntdq"},
      {"avx512ifma", "avx512ifma"},
      {"avx512bf16", "avx512_bf16"},
      {"avx512fp16", "avx512_fp16"},
      {"amx-tile", "amx_tile"},
  };
  for (const auto &[llvm, linux] : names)
    EXPECT_EQ(cpuSupports(llvm), flags.count(linux) == 1) << llvm;
  EXPECT_TRUE(cpuSupports("sse2"));
}
#endif
