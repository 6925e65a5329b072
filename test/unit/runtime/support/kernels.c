/* Kernels of the test plan: least squares over a table of four weights.
 *
 * The model predicts w[input mod 4]; the loss of a token is the squared
 * distance to its target, and targets of -100 do not count. ROWS rows of LENGTH
 * tokens.
 */
#include "runtime/abi/KernelAbi.h"

enum { LENGTH = 4, TOKENS = ROWS * LENGTH, WEIGHTS = 4, IGNORE = -100 };

#define KERNEL(name)                                                           \
  __attribute__((section(".text." #name))) void name(                          \
      const TraincKernelArguments *a, uint32_t workgroup)
#define BUFFER(type, i) ((type *)a->buffers[i])

/* random i64[3], out weights, out momentum */
KERNEL(initialize) {
  const int64_t *random = BUFFER(const int64_t, 0);
  for (int i = 0; i < WEIGHTS; ++i) {
    BUFFER(float, 1)[i] = (float)random[0] * 0.5f + (float)i * 0.25f;
    BUFFER(float, 2)[i] = 0;
  }
}

/* targets, micro_batch, inout count */
KERNEL(count) {
  double counted = 0;
  for (int i = 0; i < TOKENS; ++i)
    if (BUFFER(const int32_t, 0)[i] != IGNORE)
      counted += 1;
  double *total = BUFFER(double, 2);
  *total = (*BUFFER(const int64_t, 1) == 0 ? 0 : *total) + counted;
}

/* inputs, targets, micro_batch, weights, count, inout gradients, out partials;
 * workgroup g owns weight g */
KERNEL(accumulate) {
  const double count = *BUFFER(const double, 4);
  const float weight = BUFFER(const float, 3)[workgroup];
  double sum = 0, gradient = 0;
  for (int i = 0; i < TOKENS; ++i) {
    const int32_t target = BUFFER(const int32_t, 1)[i];
    if (target == IGNORE ||
        BUFFER(const int32_t, 0)[i] % WEIGHTS != (int32_t)workgroup)
      continue;
    const double distance = (double)weight - target;
    sum += distance * distance;
    gradient += 2 * distance / count;
  }
  float *total = &BUFFER(float, 5)[workgroup];
  *total = (*BUFFER(const int64_t, 2) == 0 ? 0 : *total) + (float)gradient;
  BUFFER(double, 6)[workgroup] = sum;
}

/* partials, micro_batch, inout sum */
KERNEL(reduce) {
  double sum = 0;
  for (int i = 0; i < WEIGHTS; ++i)
    sum += BUFFER(const double, 0)[i];
  double *total = BUFFER(double, 2);
  *total = (*BUFFER(const int64_t, 1) == 0 ? 0 : *total) + sum;
}

/* gradients, inout weights, inout momentum, out learning rate, out squared norm
 */
KERNEL(apply) {
  double norm = 0;
  for (int i = 0; i < WEIGHTS; ++i) {
    const float gradient = BUFFER(const float, 0)[i];
    float *momentum = &BUFFER(float, 2)[i];
    *momentum = 0.5f * *momentum + gradient;
    BUFFER(float, 1)[i] -= 0.125f * *momentum;
    norm += (double)gradient * gradient;
  }
  *BUFFER(double, 3) = 0.125;
  *BUFFER(double, 4) = norm;
}

/* inputs, targets, weights, out sum, out count */
KERNEL(evaluate) {
  double sum = 0, count = 0;
  for (int i = 0; i < TOKENS; ++i) {
    const int32_t target = BUFFER(const int32_t, 1)[i];
    if (target == IGNORE)
      continue;
    const double distance =
        (double)BUFFER(const float, 2)[BUFFER(const int32_t, 0)[i] % WEIGHTS] -
        target;
    sum += distance * distance;
    count += 1;
  }
  *BUFFER(double, 3) = sum;
  *BUFFER(double, 4) = count;
}

/* inputs, weights, out predictions */
KERNEL(predict) {
  for (int i = 0; i < TOKENS; ++i)
    BUFFER(float, 2)
    [i] = BUFFER(const float, 1)[BUFFER(const int32_t, 0)[i] % WEIGHTS];
}

/* inout stamps i32[4096]; workgroup g adds to stamp g what it read back from
 * 4096 bytes of scratch that it filled: 1 unless workers share scratch */
KERNEL(stamp) {
  volatile uint32_t *scratch = a->scratch;
  for (uint32_t i = 0; i < 1024; ++i)
    scratch[i] = workgroup ^ i;
  int32_t intact = 1;
  for (uint32_t i = 0; i < 1024; ++i)
    if (scratch[i] != (workgroup ^ i))
      intact = 1000;
  BUFFER(int32_t, 0)[workgroup] += intact;
}

/* out numbers i64[]; workgroup g writes the launch's constant plus g */
KERNEL(constant) { BUFFER(int64_t, 0)[workgroup] = a->constant + workgroup; }
