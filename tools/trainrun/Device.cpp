//===- Device.cpp ---------------------------------------------------------===//

#include "tools/trainrun/Device.h"

#include <fstream>

namespace trainc::trainrun {

std::string deviceName() {
  // A file of the kernel has no size to map: read it as a stream.
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line))
    if (line.starts_with("model name"))
      if (size_t colon = line.find(": "); colon != line.npos)
        return line.substr(colon + 2);
  return "cpu";
}

} // namespace trainc::trainrun
