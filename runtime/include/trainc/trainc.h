/*===- trainc.h - the runtime's C interface ---------------------------------===
 *
 * Loads a plan, gives direct access to the memory of its variables, and runs
 * its programs. Sessions are independent; calls on one session must not
 * overlap. Functions that return int give 0, or the kind of error (1 user, 2
 * damaged file, 3 system); trainc_last_error says more. Nothing is written to
 * stdout, nothing aborts.
 *
 *===----------------------------------------------------------------------===*/
#ifndef TRAINC_TRAINC_H
#define TRAINC_TRAINC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRAINC_API __attribute__((visibility("default")))

/* Values are those of the plan's schema. */
enum {
  TRAINC_F32 = 1,
  TRAINC_F64 = 2,
  TRAINC_I32 = 3,
  TRAINC_I64 = 4,
  TRAINC_I1 = 5,
  TRAINC_BF16 = 6,
  TRAINC_F16 = 7,
  TRAINC_U8 = 8
};
enum {
  TRAINC_PARAMETER = 1,
  TRAINC_GRADIENT = 2,
  TRAINC_OPTIMIZER = 3,
  TRAINC_METRIC = 4,
  TRAINC_INPUT = 5,
  TRAINC_OUTPUT = 6,
  TRAINC_COPY = 8 /* of a parameter in another type, made by programs */
};

typedef struct trainc_session trainc_session;

/* Loads and verifies the plan at `path` and allocates its memory, all zeros.
 * threads 0: one per CPU. On success the caller owns *out_session. */
TRAINC_API int trainc_plan_load(const char *path, unsigned threads,
                                trainc_session **out_session);

/* The same for the bytes of a plan in memory, e.g. one that is part of the
 * program (trainc_add_plan in CMake). They are verified like a file but not
 * copied: they must be aligned to 8 bytes, and neither change nor go away
 * before the session is destroyed. */
TRAINC_API int trainc_plan_load_from_memory(const void *bytes,
                                            size_t size_bytes, unsigned threads,
                                            trainc_session **out_session);

/* Frees the session and all memory of its variables; NULL is allowed. */
TRAINC_API void trainc_session_destroy(trainc_session *session);

/* Runs the program of that name to its end. */
TRAINC_API int trainc_session_run(trainc_session *session,
                                  const char *program_name);

/* Fills parameters and optimizer state, from the seed of the recipe. */
TRAINC_API int trainc_session_initialize(trainc_session *session);

/* Writes micro-batch `micro_batch` (from 0) of step `step` into the memory of
 * the data inputs. Asked for the same micro-batch again, it must write the same
 * values. 0 goes on; any other value ends the step with a user error. */
typedef int (*trainc_fill)(void *context, uint64_t step, uint32_t micro_batch);

/* One whole optimizer step, counted from 1: every micro-batch is counted, then
 * accumulated, then the weights are updated. What `fill` wrote is checked
 * against the plan's limits before a program sees it. *out_loss, unless NULL,
 * is the loss before the update. */
TRAINC_API int trainc_session_step(trainc_session *session, uint64_t step,
                                   trainc_fill fill, void *context,
                                   double *out_loss);

/* The memory of a variable, writable, valid until the session is destroyed.
 * Who writes a parameter through a pointer that a step or run has passed since
 * asks for it again, so that copies in 16 bits follow. Outputs share it with
 * what programs compute on the way: what an output holds is valid until the
 * next program runs. *out_shape has *out_rank extents, in elements, row-major,
 * owned by the session. Each out pointer may be NULL. */
TRAINC_API int trainc_session_variable(trainc_session *session,
                                       const char *name, void **out_pointer,
                                       uint64_t *out_size_bytes, int *out_type,
                                       int *out_rank,
                                       const uint64_t **out_shape);

/* Variables by index, in the plan's order. The name is owned by the session;
 * NULL and 0 past the end. The role is one of the values above (7: transient,
 * which has no memory). */
TRAINC_API size_t trainc_session_variable_count(const trainc_session *session);
TRAINC_API const char *
trainc_session_variable_name(const trainc_session *session, size_t index);
TRAINC_API int trainc_session_variable_role(const trainc_session *session,
                                            size_t index);

/* Programs by index; NULL past the end. */
TRAINC_API size_t trainc_session_program_count(const trainc_session *session);
TRAINC_API const char *
trainc_session_program_name(const trainc_session *session, size_t index);

/* What went wrong in the last failed call of this thread; "" if none failed. */
TRAINC_API const char *trainc_last_error(void);

#ifdef __cplusplus
}
#endif

#endif /* TRAINC_TRAINC_H */
