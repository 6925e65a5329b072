#include "runtime/step/Session.h"

#include "runtime/device/cpu/CpuDevice.h"

#include <cstring>
#include <fmt/format.h>

using namespace trainc;

Result<std::unique_ptr<Session>> Session::open(const std::string &path,
                                               const SessionOptions &options) {
  Result<std::unique_ptr<Plan>> plan = Plan::load(path, options.target);
  if (!plan.ok())
    return plan.status();
  return create(std::move(*plan), options);
}

Result<std::unique_ptr<Session>>
Session::create(std::unique_ptr<Plan> plan, const SessionOptions &options) {
  std::unique_ptr<Session> session(new Session);
  session->plan_ = std::move(plan);
  Result<std::unique_ptr<ThreadPool>> pool =
      ThreadPool::create(options.threads);
  if (!pool.ok())
    return pool.status();
  session->pool_ = std::move(*pool);
  Result<std::unique_ptr<CpuDevice>> device =
      CpuDevice::create(*session->plan_, *session->pool_);
  if (!device.ok())
    return device.status();
  session->device_ = std::move(*device);
  return session;
}

Status Session::run(std::string_view program) {
  const auto index = plan_->findProgram(program);
  if (!index)
    return Status::user(
        fmt::format("expected a program '{}' in the plan, but got none; "
                    "`trainrun inspect` lists its programs",
                    program));
  if (program == "initialize")
    parametersChanged();
  else
    TRAINC_RETURN_IF_ERROR(refreshCopies());
  return device_->run(*index);
}

Status Session::refreshCopies() {
  if (!copies_stale_)
    return {};
  if (const auto refresh = plan_->findProgram("refresh"))
    TRAINC_RETURN_IF_ERROR(device_->run(*refresh));
  copies_stale_ = false;
  return {};
}

std::span<std::byte> Session::data(std::string_view variable) {
  const auto index = plan_->findVariable(variable);
  return index ? device_->data(*index) : std::span<std::byte>();
}

double Session::scalar(size_t variable) const {
  double value = 0;
  std::memcpy(&value, device_->data(variable).data(), sizeof value);
  return value;
}

uint64_t Session::predictedBytes() const {
  return device_->arenaBytes() + device_->scratchBytes();
}
