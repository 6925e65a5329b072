//===- tokens.cpp - token files and windows -------------------------------===//
//
// A token file with a batch cut from it: the first bytes of the input choose
// rows, length, position and order, the rest is the file.
//
//===----------------------------------------------------------------------===//

#include "runtime/data/CausalData.h"
#include "test/fuzz/MemoryFile.h"

#include <array>

using namespace trainc;

void fuzz::read(std::span<const uint8_t> input) {
  static MemoryFile memory;
  DataOptions options;
  options.sequences = 1 + take<uint8_t>(input) % 8;
  options.length = 1 + take<uint8_t>(input) % 16;
  const uint32_t micro_batches = 1 + take<uint8_t>(input) % 4;
  options.shapes =
      StepShapes({options.sequences, options.length, micro_batches});
  options.order = DataOrder(take<uint8_t>(input) % 3);
  options.seed = options.first_example = take<uint64_t>(input);
  memory.write(asSafetensors(input));
  const std::vector<std::string> paths = {memory.path(), memory.path()};
  Result<TokenFiles> files = TokenFiles::open(paths);
  if (!files.ok())
    return requireClear(files.status().message());
  constexpr uint64_t kVocabulary = 300;
  if (const Status status = files->checkBelow(kVocabulary); !status.ok())
    requireClear(status.message());
  auto data = CausalData::create(std::move(*files), options);
  if (!data.ok())
    return requireClear(data.status().message());
  std::vector<int32_t> ids(options.sequences * options.length);
  const std::array<uint64_t, 2> shape = {options.sequences, options.length};
  for (const char *name : {"inputs", "evaluate.targets"}) {
    const InputSlot slot{name, abi::ElementType::I32, shape,
                         std::as_writable_bytes(std::span(ids))};
    for (uint64_t step : {1, 2, 1000})
      if (const Status status =
              (*data)->fill(step, micro_batches - 1, {&slot, 1});
          !status.ok())
        requireClear(status.message());
  }
}

std::vector<std::string> fuzz::seeds() {
  const std::string options("\1\3\1\1\0\0\0\0\0\0\0\0", 12), zero(1, '\0');
  const std::string narrow =
      R"({"document_offsets":{"dtype":"U64","shape":[2],"data_offsets":[0,16]},)"
      R"("tokens":{"dtype":"U16","shape":[40],"data_offsets":[16,96]}})";
  const std::string wide =
      R"({"tokens":{"dtype":"U32","shape":[9],"data_offsets":[0,36]}})";
  return {options + narrow + zero + std::string(96, '\1'),
          options + wide + zero + std::string(36, '\0')};
}
