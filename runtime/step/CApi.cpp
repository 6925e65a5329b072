#include "runtime/include/trainc/trainc.h"

#include "runtime/step/StepLoop.h"

#include <fmt/format.h>
#include <string>

using namespace trainc;

struct trainc_session {
  std::unique_ptr<Session> session;
  std::unique_ptr<StepLoop> loop;
  StepResult result;
};

namespace {
/// The caller's function as a source of data: it knows its inputs' memory.
class Callback final : public DataSource {
public:
  Callback(trainc_fill fill, void *context) : fill_(fill), context_(context) {}

  Status fill(uint64_t step, uint32_t micro_batch,
              std::span<const InputSlot>) override {
    if (const int status = fill_(context_, step, micro_batch))
      return Status::user(fmt::format(
          "expected the function that fills inputs to return 0, but got {} at "
          "micro-batch {} of step {}",
          status, micro_batch, step));
    return {};
  }

private:
  trainc_fill fill_;
  void *context_;
};
} // namespace

static std::string &lastError() {
  thread_local std::string message;
  return message;
}

static int report(const Status &status) {
  if (!status.ok())
    lastError() = status.message();
  return status.exitStatus();
}

/// Refuses null arguments, the one mistake every caller can make.
static int reportNull(const char *what) {
  return report(
      Status::user(std::string("expected ") + what + ", but got NULL"));
}

/// Makes the session of a plan that was loaded from wherever.
static int makeSession(Result<std::unique_ptr<Plan>> plan, unsigned threads,
                       trainc_session **out_session) {
  if (!plan.ok())
    return report(plan.status());
  Result<std::unique_ptr<Session>> session =
      Session::create(std::move(*plan), SessionOptions{threads, {}});
  if (!session.ok())
    return report(session.status());
  Result<std::unique_ptr<StepLoop>> loop = StepLoop::create(**session);
  if (!loop.ok())
    return report(loop.status());
  *out_session =
      new trainc_session{std::move(*session), std::move(*loop), StepResult()};
  return 0;
}

int trainc_plan_load(const char *path, unsigned threads,
                     trainc_session **out_session) {
  if (!path || !out_session)
    return reportNull("a path and a place for the session");
  *out_session = nullptr;
  return makeSession(Plan::load(path), threads, out_session);
}

int trainc_plan_load_from_memory(const void *bytes, size_t size_bytes,
                                 unsigned threads,
                                 trainc_session **out_session) {
  if (!bytes || !out_session)
    return reportNull("the bytes of a plan and a place for the session");
  *out_session = nullptr;
  return makeSession(
      Plan::fromMemory({static_cast<const uint8_t *>(bytes), size_bytes},
                       "plan in memory"),
      threads, out_session);
}

void trainc_session_destroy(trainc_session *session) { delete session; }

int trainc_session_run(trainc_session *session, const char *program_name) {
  if (!session || !program_name)
    return reportNull("a session and a program name");
  return report(session->session->run(program_name));
}

int trainc_session_initialize(trainc_session *session) {
  if (!session)
    return reportNull("a session");
  return report(session->loop->initialize());
}

int trainc_session_step(trainc_session *session, uint64_t step,
                        trainc_fill fill, void *context, double *out_loss) {
  if (!session || !fill)
    return reportNull("a session and a function that fills its inputs");
  if (step == 0)
    return report(Status::user("expected a step counted from 1, but got 0"));
  Callback source(fill, context);
  const Status status = session->loop->runStep(step, source, session->result);
  if (status.ok() && out_loss)
    *out_loss = session->result.loss;
  return report(status);
}

int trainc_session_variable(trainc_session *session, const char *name,
                            void **out_pointer, uint64_t *out_size_bytes,
                            int *out_type, int *out_rank,
                            const uint64_t **out_shape) {
  if (!session || !name)
    return reportNull("a session and a variable name");
  const Plan &plan = session->session->plan();
  const auto index = plan.findVariable(name);
  if (!index || !plan.bufferOfVariable(*index))
    return report(
        Status::user(std::string("expected a variable of the plan with memory, "
                                 "but got '") +
                     name + "'"));
  const std::span<std::byte> bytes = session->session->data(*index);
  const abi::Variable &variable = plan.variable(*index);
  // The caller may write what it gets.
  if (variable.role() == abi::Role::Parameter)
    session->session->parametersChanged();
  if (out_pointer)
    *out_pointer = bytes.data();
  if (out_size_bytes)
    *out_size_bytes = bytes.size();
  if (out_type)
    *out_type = static_cast<int>(variable.element_type());
  if (out_rank)
    *out_rank = static_cast<int>(variable.shape()->size());
  if (out_shape)
    *out_shape = variable.shape()->data();
  return 0;
}

size_t trainc_session_variable_count(const trainc_session *session) {
  return session ? session->session->plan().variableCount() : 0;
}

const char *trainc_session_variable_name(const trainc_session *session,
                                         size_t index) {
  if (index >= trainc_session_variable_count(session))
    return nullptr;
  return session->session->plan().variable(index).name()->c_str();
}

int trainc_session_variable_role(const trainc_session *session, size_t index) {
  if (index >= trainc_session_variable_count(session))
    return 0;
  return static_cast<int>(session->session->plan().variable(index).role());
}

size_t trainc_session_program_count(const trainc_session *session) {
  return session ? session->session->plan().variant().programs()->size() : 0;
}

const char *trainc_session_program_name(const trainc_session *session,
                                        size_t index) {
  if (index >= trainc_session_program_count(session))
    return nullptr;
  return session->session->plan().program(index).name()->c_str();
}

const char *trainc_last_error(void) { return lastError().c_str(); }
