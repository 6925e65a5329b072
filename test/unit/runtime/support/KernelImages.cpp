#include "test/unit/runtime/support/TestPlan.h"

// The images become part of the test binaries, so that tests need no files.
__asm__(".section .rodata\n"
        "trainc_kernels2: .incbin \"" TRAINC_TEST_KERNELS "2.bin\"\n"
        "trainc_kernels2_end:\n"
        "trainc_kernels4: .incbin \"" TRAINC_TEST_KERNELS "4.bin\"\n"
        "trainc_kernels4_end:\n"
        ".text\n");

extern "C" const uint8_t trainc_kernels2[], trainc_kernels2_end[],
    trainc_kernels4[], trainc_kernels4_end[];

std::vector<uint8_t> trainc::test::kernelImage(uint32_t rows) {
  if (rows == 2)
    return {trainc_kernels2, trainc_kernels2_end};
  return {trainc_kernels4, trainc_kernels4_end};
}
