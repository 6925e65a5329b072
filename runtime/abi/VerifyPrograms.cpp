//===- VerifyPrograms.cpp - what every program may do ---------------------===//
//
// Proves that each launch passes what its kernel was compiled for, that nothing
// written aliases anything else of the launch, that no program reads bytes that
// it has not written, apart from variables and declared inputs, and that its
// outputs are whole when it ends. Outputs share memory with transient buffers:
// what one holds ends where the next program begins.
//
//===----------------------------------------------------------------------===//
#include "runtime/abi/VerifierDetail.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <vector>

using namespace trainc;
using namespace trainc::abi;
using namespace trainc::abi::detail;

namespace {

bool overlap(const Buffer &a, const Buffer &b) {
  return a.arena() == b.arena() &&
         a.offset_bytes() < b.offset_bytes() + b.size_bytes() &&
         b.offset_bytes() < a.offset_bytes() + a.size_bytes();
}

/// Which shared ranges hold what an earlier command of the program wrote.
/// A range counts only until something else overlaps it, and only for the
/// variable (or none) that it was written as. A buffer may be read that lies
/// within one of them, or that several cover without gaps.
class WrittenRanges {
public:
  bool contains(const Buffer &buffer) const {
    uint64_t at = buffer.offset_bytes();
    const uint64_t end = at + buffer.size_bytes();
    auto next = ranges_.upper_bound({buffer.arena(), at});
    if (next == ranges_.begin())
      return false;
    for (--next; next != ranges_.end(); ++next) {
      const auto [arena, begin] = next->first;
      if (arena != buffer.arena() || begin > at ||
          at >= begin + next->second.size_bytes ||
          next->second.variable != buffer.variable())
        return false;
      at = begin + next->second.size_bytes;
      if (at >= end)
        return true;
    }
    return false;
  }

  void write(const Buffer &buffer) {
    const Key begin{buffer.arena(), buffer.offset_bytes()};
    const Key end{buffer.arena(), buffer.offset_bytes() + buffer.size_bytes()};
    auto first = ranges_.lower_bound(begin);
    if (first != ranges_.begin()) {
      // Recorded ranges are disjoint: only the last one before can reach here.
      const auto before = std::prev(first);
      if (before->first.first == buffer.arena() &&
          before->first.second + before->second.size_bytes >
              buffer.offset_bytes())
        first = before;
    }
    ranges_.erase(first, ranges_.lower_bound(end));
    ranges_.emplace(begin, Range{buffer.size_bytes(), buffer.variable()});
  }

private:
  using Key = std::pair<uint32_t, uint64_t>; // arena, offset
  struct Range {
    uint64_t size_bytes;
    uint32_t variable; // index + 1; 0: transient
  };
  std::map<Key, Range> ranges_;
};

class ProgramVerifier {
public:
  ProgramVerifier(const Plan &plan, const Variant &variant,
                  const Program &program, std::string_view where)
      : plan_(plan), variant_(variant), program_(program),
        where_(fmt::format("{}, program '{}'", where, text(program.name()))),
        declared_(plan.variables()->size()),
        written_(plan.variables()->size()) {}

  Status verify() {
    TRAINC_RETURN_IF_ERROR(declareInputs());
    for (index_ = 0; index_ != program_.commands()->size(); ++index_) {
      const CommandItem &item = *program_.commands()->Get(index_);
      if (const Launch *launch = item.command_as_Launch())
        TRAINC_RETURN_IF_ERROR(verifyLaunch(*launch));
      else if (const Copy *copy = item.command_as_Copy())
        TRAINC_RETURN_IF_ERROR(verifyCopy(*copy));
      else
        return broken(where(), "expected a launch or a copy, but got {}",
                      static_cast<unsigned>(item.command_type()));
    }
    return verifyOutputs();
  }

  /// Of the program that makes copies from parameters: it makes all.
  Status verifyCopies() const {
    if (program_.inputs() && program_.inputs()->size() != 0)
      return broken(where_, "expected no inputs, but got {}",
                    program_.inputs()->size());
    for (uint32_t i = 0; i != written_.size(); ++i)
      if (plan_.variables()->Get(i)->role() == Role::Copy && !written_[i])
        return broken(where_, "expected copy '{}' to be written, but it is not",
                      text(plan_.variables()->Get(i)->name()));
    return {};
  }

private:
  std::string where() const {
    return fmt::format("{}, command {}", where_, index_);
  }

  Status declareInputs() {
    if (!program_.inputs())
      return {};
    for (const uint32_t input : *program_.inputs()) {
      if (input >= plan_.inputs()->size())
        return broken(where_, "expected an input below {}, but got {}",
                      plan_.inputs()->size(), input);
      declared_[plan_.inputs()->Get(input)->variable()] = true;
    }
    return {};
  }

  Status verifyOutputs() {
    if (!program_.outputs())
      return {};
    for (const uint32_t output : *program_.outputs()) {
      if (output >= plan_.variables()->size())
        return broken(where_, "expected an output below {}, but got {}",
                      plan_.variables()->size(), output);
      const Variable &variable = *plan_.variables()->Get(output);
      if (variable.role() != Role::Output && variable.role() != Role::Metric)
        return broken(where_,
                      "expected outputs of role Output or Metric, but got '{}'",
                      text(variable.name()));
      if (!written_[output])
        return broken(where_,
                      "expected output '{}' to be written by a command, "
                      "but got none that does",
                      text(variable.name()));
      if (variable.role() == Role::Output &&
          !ranges_.contains(*variant_.buffers()->Get(written_[output] - 1)))
        return broken(where_,
                      "expected output '{}' to be whole at the end, but got "
                      "an overlapping write after it",
                      text(variable.name()));
    }
    return {};
  }

  Status find(uint32_t index, const Buffer *&buffer) {
    if (index >= variant_.buffers()->size())
      return broken(where(), "expected a buffer below {}, but got {}",
                    variant_.buffers()->size(), index);
    buffer = variant_.buffers()->Get(index);
    return {};
  }

  /// Transient buffers and outputs: what they hold is the program's own.
  bool isShared(const Buffer &buffer) const {
    return buffer.variable() == 0 ||
           plan_.variables()->Get(buffer.variable() - 1)->role() ==
               Role::Output;
  }

  Status read(const Buffer &buffer) {
    if (isSpan(buffer))
      return {}; // of variables that persist and are no inputs
    if (isShared(buffer)) {
      if (!ranges_.contains(buffer))
        return broken(
            where(),
            "expected a transient buffer or output to be written whole before "
            "it is read, but got a read of {} bytes at {} before that "
            "or after an overlapping write",
            buffer.size_bytes(), buffer.offset_bytes());
      return {};
    }
    const Variable &variable = *plan_.variables()->Get(buffer.variable() - 1);
    if (variable.role() == Role::Input && !declared_[buffer.variable() - 1])
      return broken(where(),
                    "expected variable '{}' among the program's inputs, "
                    "but got a read of it without",
                    text(variable.name()));
    return {};
  }

  Status write(uint32_t index) {
    const Buffer &buffer = *variant_.buffers()->Get(index);
    if (isSpan(buffer)) {
      for (const uint32_t variable : *buffer.spans())
        written_[variable] = index + 1;
      return {};
    }
    if (isShared(buffer))
      ranges_.write(buffer);
    if (buffer.variable() == 0)
      return {};
    const Variable &variable = *plan_.variables()->Get(buffer.variable() - 1);
    if (variable.role() == Role::Input)
      return broken(where(),
                    "expected inputs to be written by the host only, "
                    "but got a write to '{}'",
                    text(variable.name()));
    written_[buffer.variable() - 1] = index + 1;
    return {};
  }

  Status verifyLaunch(const Launch &launch) {
    if (launch.kernel() >= variant_.kernels()->size())
      return broken(where(), "expected a kernel below {}, but got {}",
                    variant_.kernels()->size(), launch.kernel());
    const Kernel &kernel = *variant_.kernels()->Get(launch.kernel());
    const auto &parameters = *kernel.parameters();
    if (launch.buffers()->size() != parameters.size())
      return broken(where(), "expected {} buffers for kernel '{}', but got {}",
                    parameters.size(), text(kernel.name()),
                    launch.buffers()->size());

    buffers_.resize(parameters.size());
    for (uint32_t i = 0; i != parameters.size(); ++i) {
      TRAINC_RETURN_IF_ERROR(find(launch.buffers()->Get(i), buffers_[i]));
      const KernelParameter &parameter = *parameters.Get(i);
      if (buffers_[i]->element_type() != parameter.element_type() ||
          buffers_[i]->size_bytes() != parameter.size_bytes())
        return broken(where(),
                      "expected parameter {} of kernel '{}' to be {} bytes of "
                      "{}, but got "
                      "{} bytes of {}",
                      i, text(kernel.name()), parameter.size_bytes(),
                      EnumNameElementType(parameter.element_type()),
                      buffers_[i]->size_bytes(),
                      EnumNameElementType(buffers_[i]->element_type()));
    }
    TRAINC_RETURN_IF_ERROR(verifyAliases(kernel));
    TRAINC_RETURN_IF_ERROR(verifyBound(launch, kernel));
    if (launch.constant() != 0 && !kernel.reads_constant())
      return broken(where(),
                    "expected no constant for kernel '{}', which reads none, "
                    "but got {}",
                    text(kernel.name()), launch.constant());
    for (uint32_t i = 0; i != parameters.size(); ++i)
      if (parameters.Get(i)->access() != Access::Write)
        TRAINC_RETURN_IF_ERROR(read(*buffers_[i]));
    for (uint32_t i = 0; i != parameters.size(); ++i)
      if (parameters.Get(i)->access() != Access::Read)
        TRAINC_RETURN_IF_ERROR(write(launch.buffers()->Get(i)));
    return {};
  }

  /// In order of offsets, a buffer overlaps an earlier one exactly when it
  /// starts before the furthest end so far: of all for one that is written, of
  /// those written for one that is read.
  Status verifyAliases(const Kernel &kernel) {
    order_.resize(buffers_.size());
    std::iota(order_.begin(), order_.end(), 0);
    std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
      return std::tuple(buffers_[a]->arena(), buffers_[a]->offset_bytes(), a) <
             std::tuple(buffers_[b]->arena(), buffers_[b]->offset_bytes(), b);
    });
    const auto end = [&](uint32_t i) {
      return std::pair(buffers_[i]->arena(),
                       buffers_[i]->offset_bytes() + buffers_[i]->size_bytes());
    };
    std::optional<uint32_t> furthest, furthest_written;
    for (const uint32_t i : order_) {
      const bool written =
          kernel.parameters()->Get(i)->access() != Access::Read;
      const std::optional<uint32_t> rival =
          written ? furthest : furthest_written;
      if (rival && overlap(*buffers_[i], *buffers_[*rival])) {
        const bool named = written && rival != furthest_written;
        return broken(where(),
                      "expected written buffer {} of kernel '{}' to overlap "
                      "no other of the launch, but got an overlap with {}",
                      named ? i : *rival, text(kernel.name()),
                      named ? *rival : i);
      }
      if (!furthest || end(i) > end(*furthest))
        furthest = i;
      if (written && (!furthest_written || end(i) > end(*furthest_written)))
        furthest_written = i;
    }
    return {};
  }

  Status verifyBound(const Launch &launch, const Kernel &kernel) {
    if (launch.bound() == 0)
      return {};
    const Buffer *bound = nullptr;
    TRAINC_RETURN_IF_ERROR(find(launch.bound() - 1, bound));
    if (bound->element_type() != ElementType::I64 || bound->size_bytes() != 8)
      return broken(where(),
                    "expected the bound to be an I64 scalar, but got {} "
                    "bytes of {}",
                    bound->size_bytes(),
                    EnumNameElementType(bound->element_type()));
    // The bound is read while the launch starts: its kernel must not move it.
    for (size_t i = 0; i != buffers_.size(); ++i)
      if (kernel.parameters()->Get(static_cast<uint32_t>(i))->access() !=
              Access::Read &&
          overlap(*buffers_[i], *bound))
        return broken(where(),
                      "expected the bound to overlap no written buffer, "
                      "but got an overlap with {}",
                      i);
    return read(*bound);
  }

  Status verifyCopy(const Copy &copy) {
    const Buffer *source = nullptr, *destination = nullptr;
    TRAINC_RETURN_IF_ERROR(find(copy.source(), source));
    TRAINC_RETURN_IF_ERROR(find(copy.destination(), destination));
    if (source->size_bytes() != destination->size_bytes())
      return broken(where(),
                    "expected a copy between equal sizes, but got {} to "
                    "{} bytes",
                    source->size_bytes(), destination->size_bytes());
    if (overlap(*source, *destination))
      return broken(where(), "expected source and destination of a copy to be "
                             "disjoint, but got an overlap");
    TRAINC_RETURN_IF_ERROR(read(*source));
    return write(copy.destination());
  }

  const Plan &plan_;
  const Variant &variant_;
  const Program &program_;
  std::string where_;
  uint32_t index_ = 0;
  std::vector<bool> declared_;    // per variable
  std::vector<uint32_t> written_; // per variable: its buffer + 1; 0: not yet
  std::vector<const Buffer *> buffers_; // of the launch at hand
  std::vector<uint32_t> order_;         // of its operands, by offset
  WrittenRanges ranges_;
};

} // namespace

Status detail::verifyPrograms(const Plan &plan, const Variant &variant,
                              std::string_view where) {
  UniqueNames names(where, "program");
  bool refreshes = false;
  for (const Program *program : *variant.programs()) {
    TRAINC_RETURN_IF_ERROR(names.add(program->name()));
    ProgramVerifier verifier(plan, variant, *program, where);
    TRAINC_RETURN_IF_ERROR(verifier.verify());
    if (text(program->name()) != "refresh")
      continue;
    refreshes = true;
    TRAINC_RETURN_IF_ERROR(verifier.verifyCopies());
  }
  for (const Variable *variable : *plan.variables())
    if (variable->role() == Role::Copy && !refreshes)
      return broken(where,
                    "expected a program 'refresh' with copy '{}', but got none",
                    text(variable->name()));
  return {};
}
