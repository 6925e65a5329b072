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

/// Largest resident set of this process so far (VmHWM), in bytes; 0 where
/// /proc is not mounted.
uint64_t peakResidentBytes();

/// Resident set of this process now (VmRSS), in bytes; 0 where /proc is not
/// mounted.
uint64_t residentBytes();

} // namespace trainc

#endif // TRAINC_RUNTIME_CORE_PROCESSMEMORY_H
