#include "runtime/core/Log.h"
#include "runtime/core/ProcessMemory.h"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>

using namespace trainc;

TEST(ProcessMemory, PeakSeesTouchedMemory) {
  const uint64_t before_bytes = peakResidentBytes();
  ASSERT_GT(before_bytes, 0u);
  constexpr size_t size_bytes = size_t{64} << 20;
  auto block = std::make_unique<char[]>(size_bytes);
  std::memset(block.get(), 1, size_bytes);
  EXPECT_GE(residentBytes(), size_bytes);
  const uint64_t peak_bytes = peakResidentBytes();
  block.reset();
  EXPECT_GE(peak_bytes, before_bytes + size_bytes / 2);
  // Linux counts pages per thread and adds them up late: allow for some.
  EXPECT_GE(peakResidentBytes(), before_bytes + size_bytes / 2);
}

TEST(Log, LevelDropsWhatIsAboveIt) {
  setLogLevel(LogLevel::Warning);
  testing::internal::CaptureStderr();
  logInfo("quiet {}", 1);
  logWarning("expected {}, but got {}", 1, 2);
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "warning: expected 1, but got 2\n");
  setLogLevel(LogLevel::Info);
  testing::internal::CaptureStderr();
  logInfo("step {}", 3);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "info: step 3\n");
  setLogLevel(LogLevel::Warning);
}
