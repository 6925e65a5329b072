//===- Device.h - the machine a run is on ------------------------*- C++
//-*-===//
//
// Decides what summary.json says of the machine, and the stated overhead of the
// process on top of what a plan predicts.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_DEVICE_H
#define TRAINC_TOOLS_TRAINRUN_DEVICE_H

#include <cstdint>
#include <string>

namespace trainc::trainrun {

/// Memory of the process besides arenas, scratch, plan and data: code,
/// libraries, stacks and buffers of file output. Measured at 5 to 7 MiB.
inline constexpr uint64_t kProcessOverheadBytes = uint64_t(12) << 20;

/// "AMD EPYC 9R14", or "cpu" where the system does not say.
std::string deviceName();

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_DEVICE_H
