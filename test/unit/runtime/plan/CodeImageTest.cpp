#include "runtime/plan/CodeImage.h"
#include "test/unit/runtime/support/TestPlan.h"

#include <gtest/gtest.h>

using namespace trainc;

TEST(CodeImage, RunsCodeAtAnEntry) {
  const std::vector<uint8_t> code = test::kernelImage(2);
  Result<CodeImage> image = CodeImage::map(code);
  ASSERT_TRUE(image.ok()) << image.status().message();
  EXPECT_EQ(image->sizeBytes(), code.size());

  alignas(64) double partials[4] = {1, 2, 4, 8}, sum = 100;
  alignas(64) int64_t micro_batch = 1;
  void *buffers[] = {partials, &micro_batch, &sum};
  const TraincKernelArguments arguments{buffers, nullptr, 1, 0};
  image->entry(test::Reduce)(&arguments, 0);
  EXPECT_EQ(sum, 115);

  // The mapping moves with the object.
  const CodeImage moved = std::move(*image);
  EXPECT_EQ(image->sizeBytes(), 0u);
  moved.entry(test::Reduce)(&arguments, 0);
  EXPECT_EQ(sum, 130);
}

TEST(CodeImage, EmptyCodeNeedsNoMemory) {
  Result<CodeImage> image = CodeImage::map({});
  ASSERT_TRUE(image.ok());
  EXPECT_EQ(image->sizeBytes(), 0u);
}
