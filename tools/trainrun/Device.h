//===- Device.h - the machine a run is on ------------------------*- C++
//-*-===//
//
// Decides what summary.json says of the machine.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_DEVICE_H
#define TRAINC_TOOLS_TRAINRUN_DEVICE_H

#include <string>

namespace trainc::trainrun {

/// "AMD EPYC 9R14", or "cpu" where the system does not say.
std::string deviceName();

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_DEVICE_H
