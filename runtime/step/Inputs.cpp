#include "runtime/step/Inputs.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

using namespace trainc;

InputSet::InputSet(Session &session,
                   std::initializer_list<std::string_view> programs)
    : plan_(&session.plan()) {
  std::vector<uint32_t> indices;
  for (const std::string_view name : programs)
    if (const auto program = plan_->findProgram(name))
      if (const auto *inputs = plan_->program(*program).inputs())
        indices.insert(indices.end(), inputs->begin(), inputs->end());
  // The plan's order, so that a source sees the same slots every time.
  std::sort(indices.begin(), indices.end());
  indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
  for (const uint32_t index : indices) {
    const abi::Input *input = plan_->table().inputs()->Get(index);
    if (input->source() != abi::InputSource::Data)
      continue;
    const abi::Variable &variable = plan_->variable(input->variable());
    inputs_.push_back(input);
    slots_.push_back({view(input->name()),
                      variable.element_type(),
                      {variable.shape()->data(), variable.shape()->size()},
                      session.data(input->variable())});
  }
}

Status InputSet::fill(DataSource &source, uint64_t step,
                      uint32_t micro_batch) const {
  if (slots_.empty())
    return {};
  TRAINC_RETURN_IF_ERROR(source.fill(step, micro_batch, slots_));
  for (size_t slot = 0; slot != slots_.size(); ++slot)
    TRAINC_RETURN_IF_ERROR(check(slot));
  return {};
}

/// Index of the first value that is neither below the limit nor ignored.
template <typename T>
static std::optional<size_t> firstBeyond(std::span<const std::byte> bytes,
                                         const abi::Input &input) {
  const T *values = reinterpret_cast<const T *>(bytes.data());
  const size_t count = bytes.size() / sizeof(T);
  for (size_t i = 0; i != count; ++i) {
    const int64_t value = values[i];
    // A negative value becomes huge, so one comparison finds both.
    if (static_cast<uint64_t>(value) >= input.limit() &&
        !(input.has_ignore_value() && value == input.ignore_value()))
      return i;
  }
  return {};
}

Status InputSet::check(size_t slot) const {
  const abi::Input &input = *inputs_[slot];
  if (input.limit() == 0)
    return {};
  const std::span<const std::byte> bytes = slots_[slot].bytes;
  std::optional<size_t> beyond;
  int64_t value = 0;
  switch (slots_[slot].element_type) {
  case abi::ElementType::I32:
    if ((beyond = firstBeyond<int32_t>(bytes, input)))
      value = reinterpret_cast<const int32_t *>(bytes.data())[*beyond];
    break;
  case abi::ElementType::I64:
    if ((beyond = firstBeyond<int64_t>(bytes, input)))
      value = reinterpret_cast<const int64_t *>(bytes.data())[*beyond];
    break;
  case abi::ElementType::I1:
  case abi::ElementType::U8:
    if ((beyond = firstBeyond<uint8_t>(bytes, input)))
      value = static_cast<int64_t>(bytes[*beyond]);
    break;
  default:
    break; // limits are for integers
  }
  if (!beyond)
    return {};
  return Status::user(fmt::format(
      "expected values of input '{}' from 0 to {}, but got {} at position {}; "
      "check that the data was tokenized for this model",
      slots_[slot].name, input.limit() - 1, value, *beyond));
}

static std::span<std::byte> controlBytes(Session &session,
                                         std::string_view name) {
  const auto index = session.plan().findInput(name);
  if (!index)
    return {};
  const abi::Input &input =
      *session.plan().table().inputs()->Get(static_cast<uint32_t>(*index));
  // A data input may bear any name; the verifier has checked the types.
  if (input.source() != abi::InputSource::Control)
    return {};
  return session.data(input.variable());
}

template <typename T, size_t N>
static void store(std::span<std::byte> bytes, const std::array<T, N> &values) {
  if (!bytes.empty())
    std::memcpy(bytes.data(), values.data(), sizeof values);
}

ControlInputs::ControlInputs(Session &session)
    : random_(controlBytes(session, "control.random")),
      micro_batch_(controlBytes(session, "control.micro_batch")),
      position_(controlBytes(session, "control.position")),
      tokens_(controlBytes(session, "control.tokens")) {}

void ControlInputs::setRandom(uint64_t seed, uint64_t step,
                              uint64_t first_row) {
  store<uint64_t, 3>(random_, {seed, step, first_row});
}

void ControlInputs::setMicroBatch(uint32_t micro_batch) {
  store<int64_t, 1>(micro_batch_, {micro_batch});
}

void ControlInputs::setPosition(int32_t position) {
  store<int32_t, 1>(position_, {position});
}

void ControlInputs::setTokens(uint64_t tokens) {
  store<uint64_t, 1>(tokens_, {tokens});
}
