/* onednn_blas.c - BLAS's sgemm by oneDNN.
 *
 * Debian's PyTorch multiplies f32 matrices by whatever BLAS is installed, and
 * links oneDNN for other work. oneDNN's sgemm runs on PyTorch's own OpenMP
 * threads, so it is one of the libraries that peers/environment.py tries. BLAS
 * is column-major and oneDNN row-major: the operands change places.
 */
#include <stdint.h>

extern int dnnl_sgemm(char transa, char transb, int64_t m, int64_t n, int64_t k,
                      float alpha, const float *a, int64_t lda, const float *b,
                      int64_t ldb, float beta, float *c, int64_t ldc);

void sgemm_(const char *transa, const char *transb, const int *m, const int *n,
            const int *k, const float *alpha, const float *a, const int *lda,
            const float *b, const int *ldb, const float *beta, float *c,
            const int *ldc) {
  dnnl_sgemm(*transb, *transa, *n, *m, *k, *alpha, b, *ldb, a, *lda, *beta, c,
             *ldc);
}
