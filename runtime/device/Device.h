//===- Device.h - what runs the programs of a variant -------------*- C++
//-*-===//
//
// The step loop knows devices only by this interface. Memory of variables is
// addressable by the host; it starts as zeros, what lies between variables
// included, and holds its contents between programs.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_DEVICE_DEVICE_H
#define TRAINC_RUNTIME_DEVICE_DEVICE_H

#include "runtime/core/Status.h"
#include <cstddef>
#include <cstdint>
#include <span>

namespace trainc {

/// Time spent in one launch of a program, over all runs of it.
struct LaunchTime {
  uint64_t runs = 0; ///< in which its bound let it do something
  uint64_t elapsed_ns = 0;
};

class Device {
public:
  virtual ~Device() = default;

  /// Runs the program (index into Variant.programs) to its end. Allocates
  /// nothing. Not reentrant.
  virtual Status run(size_t program) = 0;

  /// The bytes of a variable (index into Plan.variables), valid for the
  /// device's life, to be touched only while no program runs; empty for
  /// Transient.
  virtual std::span<std::byte> data(size_t variable) = 0;

  /// Bytes taken from the system: arenas, and scratch of all workers.
  virtual uint64_t arenaBytes() const = 0;
  virtual uint64_t scratchBytes() const = 0;

  /// From now on measures every command. Costs two clock reads per command.
  virtual void enableProfile() = 0;
  /// One entry per command of the program; empty before enableProfile.
  virtual std::span<const LaunchTime> profile(size_t program) const = 0;
};

} // namespace trainc

#endif // TRAINC_RUNTIME_DEVICE_DEVICE_H
