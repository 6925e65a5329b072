// What a run's metrics file keeps when it is opened again.
#include "tools/trainrun/MetricsFile.h"
#include "runtime/checkpoint/Files.h"
#include "test/unit/runtime/TemporaryFolder.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace trainc::trainrun {
namespace {

class MetricsFileTest : public testing::Test {
protected:
  std::string reopened(uint64_t last_step, const std::string &line) {
    Result<MetricsFile> file = MetricsFile::open(path, last_step);
    EXPECT_TRUE(file.ok()) << file.status().message();
    EXPECT_TRUE(file->append(line).ok());
    EXPECT_TRUE(file->sync().ok());
    return *readWholeFile(path);
  }

  test::TemporaryFolder folder;
  std::string path = folder.path() + "/metrics.jsonl";
};

TEST_F(MetricsFileTest, KeepsWholeLinesOfStepsThatCount) {
  ASSERT_TRUE(writeWholeFile(path,
                             "{\"step\": 1}\n{\"step\": 2}\n{\"step\": 2}\n"
                             "noise\n{\"step\": 3}\n{\"step\": 4")
                  .ok());
  EXPECT_EQ(reopened(3, "{\"step\": 4}\n"),
            "{\"step\": 1}\n{\"step\": 2}\n{\"step\": 3}\n{\"step\": 4}\n");
  EXPECT_EQ(reopened(1, "{\"step\": 2}\n"), "{\"step\": 1}\n{\"step\": 2}\n");
}

TEST_F(MetricsFileTest, StartsEmptyWithoutASideFile) {
  EXPECT_EQ(reopened(0, "{\"step\": 1}\n"), "{\"step\": 1}\n");
  EXPECT_EQ(reopened(0, "{\"step\": 1, \"loss\": 2}\n"),
            "{\"step\": 1, \"loss\": 2}\n");
  std::filesystem::remove(path);
  testing::internal::CaptureStderr();
  EXPECT_EQ(reopened(7, "{\"step\": 8}\n"), "{\"step\": 8}\n");
  EXPECT_NE(testing::internal::GetCapturedStderr().find("metrics of 7 steps"),
            std::string::npos);
  size_t files = 0;
  for ([[maybe_unused]] const auto &entry :
       std::filesystem::directory_iterator(folder.path()))
    ++files;
  EXPECT_EQ(files, 1u);
}

TEST_F(MetricsFileTest, SaysWhatCannotBeOpened) {
  Result<MetricsFile> file =
      MetricsFile::open(folder.path() + "/none/metrics.jsonl", 0);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), StatusCode::System);
  EXPECT_NE(
      file.status().message().find("none/metrics.jsonl: expected to open"),
      std::string::npos)
      << file.status().message();
}

} // namespace
} // namespace trainc::trainrun
