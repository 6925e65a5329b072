//===- ProcessMemory.h - what the process really uses -------------*- C++
//-*-===//
//
// Measured memory, to be compared with a plan's prediction in every run.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_RUNTIME_CORE_PROCESSMEMORY_H
#define TRAINC_RUNTIME_CORE_PROCESSMEMORY_H

#include <cstdint>

namespace trainc {

/// What a process that trains is said to take besides arenas and scratch: the
/// program and its libraries, the plan, stacks, and buffers of files. Measured
/// at 6 to 9 MiB for plans of up to 1 MB. Data and weight files are mapped, but
/// given back as they are read.
inline constexpr uint64_t processOverheadBytes = uint64_t{12} << 20;

/// Largest resident set of this process so far (VmHWM), in bytes; 0 where
/// /proc is not mounted.
uint64_t peakResidentBytes();

/// Resident set of this process now (VmRSS), in bytes; 0 where /proc is not
/// mounted.
uint64_t residentBytes();

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_PROCESSMEMORY_H
