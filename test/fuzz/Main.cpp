//===- Main.cpp - a reader given to libFuzzer -----------------------------===//
//
// With --seeds=FOLDER the program writes its seeds there and ends.
//
//===----------------------------------------------------------------------===//

#include "test/fuzz/Fuzz.h"

#include <fstream>

using namespace trainc;

extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
  constexpr std::string_view kOption = "--seeds=";
  for (int i = 1; i < *argc; ++i) {
    std::string_view argument = (*argv)[i];
    if (!argument.starts_with(kOption))
      continue;
    const std::string folder(argument.substr(kOption.size()));
    int number = 0;
    for (const std::string &seed : fuzz::seeds()) {
      std::ofstream file(folder + "/seed-" + std::to_string(number++),
                         std::ios::binary);
      file << seed;
      fuzz::require(file.flush().good(), "a seed cannot be written", folder);
    }
    std::exit(0);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
  fuzz::read({data, size_bytes});
  return 0;
}
