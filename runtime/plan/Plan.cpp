#include "runtime/plan/Plan.h"

#include "runtime/abi/PlanVerifier.h"
#include "runtime/plan/CpuFeatures.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <sys/stat.h>

using namespace trainc;

#if defined(__x86_64__)
static constexpr std::string_view hostArchitecture = "x86_64";
#elif defined(__aarch64__)
static constexpr std::string_view hostArchitecture = "aarch64";
#else
static constexpr std::string_view hostArchitecture = "unknown";
#endif

uint64_t trainc::elementSizeBytes(abi::ElementType type) {
  switch (type) {
  case abi::ElementType::F64:
  case abi::ElementType::I64:
    return 8;
  case abi::ElementType::F32:
  case abi::ElementType::I32:
    return 4;
  case abi::ElementType::BF16:
  case abi::ElementType::F16:
    return 2;
  case abi::ElementType::I1:
  case abi::ElementType::U8:
    return 1;
  case abi::ElementType::Unspecified:
    break;
  }
  return 0;
}

std::string_view trainc::elementTypeName(abi::ElementType type) {
  switch (type) {
  case abi::ElementType::F32:
    return "f32";
  case abi::ElementType::F64:
    return "f64";
  case abi::ElementType::I32:
    return "i32";
  case abi::ElementType::I64:
    return "i64";
  case abi::ElementType::I1:
    return "i1";
  case abi::ElementType::BF16:
    return "bf16";
  case abi::ElementType::F16:
    return "f16";
  case abi::ElementType::U8:
    return "u8";
  case abi::ElementType::Unspecified:
    break;
  }
  return "unspecified";
}

static Result<std::vector<uint8_t>> readFile(const std::string &path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(
      std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (!file)
    return Status::user(fmt::format("expected a plan at '{}', but got: {}",
                                    path, std::strerror(errno)));
  struct stat information;
  if (fstat(fileno(file.get()), &information) != 0)
    return Status::system(fmt::format("expected to read '{}', but got: {}",
                                      path, std::strerror(errno)));
  if (!S_ISREG(information.st_mode))
    return Status::user(fmt::format(
        "expected a plan at '{}', but got something that is no file", path));
  // Larger files are no plans; do not even read them.
  if (information.st_size >= INT32_MAX)
    return Status::file(fmt::format(
        "expected a plan of at most 2 GiB at '{}', but got {} bytes", path,
        information.st_size));
  std::vector<uint8_t> bytes(static_cast<size_t>(information.st_size));
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
    return Status::system(
        fmt::format("expected to read {} bytes of '{}', but got fewer",
                    bytes.size(), path));
  return bytes;
}

Result<std::unique_ptr<Plan>> Plan::load(const std::string &path,
                                         std::string_view target) {
  Result<std::vector<uint8_t>> bytes = readFile(path);
  if (!bytes.ok())
    return bytes.status();
  return fromBytes(std::move(*bytes), path, target);
}

Result<std::unique_ptr<Plan>> Plan::fromBytes(std::vector<uint8_t> bytes,
                                              const std::string &where,
                                              std::string_view target) {
  std::unique_ptr<Plan> plan(new Plan);
  plan->owned_ = std::move(bytes);
  plan->bytes_ = plan->owned_;
  TRAINC_RETURN_IF_ERROR(plan->open(where, target));
  return plan;
}

Result<std::unique_ptr<Plan>> Plan::fromMemory(std::span<const uint8_t> bytes,
                                               const std::string &where,
                                               std::string_view target) {
  std::unique_ptr<Plan> plan(new Plan);
  plan->bytes_ = bytes;
  TRAINC_RETURN_IF_ERROR(plan->open(where, target));
  return plan;
}

Result<std::unique_ptr<Plan>> Plan::inspect(const std::string &path) {
  Result<std::vector<uint8_t>> bytes = readFile(path);
  if (!bytes.ok())
    return bytes.status();
  std::unique_ptr<Plan> plan(new Plan);
  plan->owned_ = std::move(*bytes);
  plan->bytes_ = plan->owned_;
  TRAINC_RETURN_IF_ERROR(plan->parse(path));
  plan->variant_ = plan->table_->variants()->Get(0);
  plan->index();
  return plan;
}

Status Plan::open(const std::string &where, std::string_view target) {
  TRAINC_RETURN_IF_ERROR(parse(where));
  TRAINC_RETURN_IF_ERROR(choose(where, target));
  index();
  return {};
}

Status Plan::parse(const std::string &where) {
  if (Status status = abi::verifyPlan(bytes_.data(), bytes_.size());
      !status.ok())
    return {status.code(), fmt::format("'{}': {}", where, status.message())};
  table_ = abi::GetPlan(bytes_.data());
  return {};
}

/// Why this machine cannot run the variant; empty when it can.
static std::string obstacle(const abi::Variant &variant) {
  if (!view(variant.target()).starts_with("cpu"))
    return "is not for CPUs";
  const std::string_view triple = view(variant.triple());
  if (!triple.empty() && triple.substr(0, triple.find('-')) != hostArchitecture)
    return fmt::format("is for {}", triple);
  std::string missing;
  if (const auto *features = variant.required_features())
    for (const flatbuffers::String *feature : *features)
      if (!cpuSupports(view(feature))) {
        missing += missing.empty() ? "needs " : ", ";
        missing += view(feature);
      }
  return missing;
}

Status Plan::choose(const std::string &where, std::string_view target) {
  std::string obstacles;
  uint32_t most = 0;
  for (const abi::Variant *variant : *table_->variants()) {
    if (!target.empty() && view(variant->target()) != target)
      continue;
    const std::string why = obstacle(*variant);
    if (!why.empty()) {
      obstacles +=
          fmt::format("{}'{}', which {}", obstacles.empty() ? "" : "; ",
                      view(variant->target()), why);
      continue;
    }
    const auto *features = variant->required_features();
    const uint32_t count = features ? features->size() : 0;
    if (!variant_ || count > most) {
      variant_ = variant;
      most = count;
    }
  }
  if (variant_)
    return {};
  if (obstacles.empty())
    return Status::user(
        fmt::format("'{}': expected a variant for target '{}', but got none of "
                    "that name; `trainrun inspect` lists what there is",
                    where, target));
  return Status::user(fmt::format(
      "'{}': expected a variant that this machine can run, but got {}; compile "
      "the recipe for this machine with `trainc compile --target cpu`",
      where, obstacles));
}

void Plan::index() {
  for (uint32_t i = 0; i != table_->variables()->size(); ++i)
    variables_.emplace(view(table_->variables()->Get(i)->name()), i);
  for (uint32_t i = 0; i != table_->inputs()->size(); ++i)
    inputs_.emplace(view(table_->inputs()->Get(i)->name()), i);
  for (uint32_t i = 0; i != variant_->programs()->size(); ++i)
    programs_.emplace(view(variant_->programs()->Get(i)->name()), i);
  buffer_of_variable_.assign(table_->variables()->size(), 0);
  for (uint32_t i = 0; i != variant_->buffers()->size(); ++i)
    if (const uint32_t variable = variant_->buffers()->Get(i)->variable())
      buffer_of_variable_[variable - 1] = size_t{i} + 1;
}

static std::optional<size_t>
lookUp(const std::unordered_map<std::string_view, size_t> &map,
       std::string_view name) {
  const auto found = map.find(name);
  if (found == map.end())
    return {};
  return found->second;
}

std::optional<size_t> Plan::findVariable(std::string_view name) const {
  return lookUp(variables_, name);
}

std::optional<size_t> Plan::findInput(std::string_view name) const {
  return lookUp(inputs_, name);
}

std::optional<size_t> Plan::findProgram(std::string_view name) const {
  return lookUp(programs_, name);
}

std::optional<size_t> Plan::bufferOfVariable(size_t variable) const {
  if (buffer_of_variable_[variable] == 0)
    return {};
  return buffer_of_variable_[variable] - 1;
}

uint64_t Plan::variableSizeBytes(size_t index) const {
  uint64_t size_bytes = elementSizeBytes(variable(index).element_type());
  for (const uint64_t extent : *variable(index).shape())
    size_bytes *= extent;
  return size_bytes;
}

uint64_t Plan::arenaBytes() const {
  uint64_t size_bytes = 0;
  for (const abi::Arena *arena : *variant_->arenas())
    size_bytes += arena->size_bytes();
  return size_bytes;
}

uint64_t Plan::scratchBytesPerThread() const {
  uint64_t size_bytes = 0;
  for (const abi::Kernel *kernel : *variant_->kernels())
    size_bytes = std::max(size_bytes, kernel->scratch_bytes());
  return size_bytes;
}
