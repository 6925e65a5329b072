#include "runtime/core/ProcessMemory.h"

#include <cstdio>
#include <cstring>

/// The value of a "Name:   123 kB" line of /proc/self/status, in bytes.
static uint64_t statusField(const char *name) {
  std::FILE *file = std::fopen("/proc/self/status", "re");
  if (!file)
    return 0;
  const size_t length = std::strlen(name);
  char line[256];
  uint64_t size_bytes = 0;
  while (std::fgets(line, sizeof line, file)) {
    unsigned long long kibibytes = 0;
    if (std::strncmp(line, name, length) == 0 &&
        std::sscanf(line + length, ": %llu kB", &kibibytes) == 1) {
      size_bytes = uint64_t{kibibytes} * 1024;
      break;
    }
  }
  std::fclose(file);
  return size_bytes;
}

uint64_t trainc::peakResidentBytes() { return statusField("VmHWM"); }

uint64_t trainc::residentBytes() { return statusField("VmRSS"); }
