//===- checkpoint.cpp - state.json of a checkpoint ------------------------===//
//
// A checkpoint's folder whose state is the input and whose weights are honest:
// whatever stands there is a damaged checkpoint or one that loads.
//
//===----------------------------------------------------------------------===//

#include "runtime/checkpoint/Checkpoint.h"
#include "test/fuzz/MemoryFile.h"
#include "test/unit/runtime/TemporaryFolder.h"

using namespace trainc;

namespace {
/// RUN/checkpoint-7 with links to files in memory.
struct Folder {
  test::TemporaryFolder run = test::TemporaryFolder::inMemory();
  fuzz::MemoryFile state;
  std::vector<float> weight = {1, 2, 3, 4};
  TrainingTensors tensors;

  Folder() {
    tensors.parameters = {
        {"w", TensorType::F32, {4}, std::as_writable_bytes(std::span(weight))}};
    TrainingState honest;
    honest.step = 7;
    const Status status = saveCheckpoint(run.path(), tensors, honest);
    fuzz::require(status.ok(), "no checkpoint", status.message());
    const std::string path = checkpointFolder(run.path(), 7) + "/state.json";
    saved = test::readText(path);
    std::filesystem::remove(path);
    std::filesystem::create_symlink(state.path(), path);
  }
  std::string saved; ///< the honest state
};
} // namespace

void fuzz::read(std::span<const uint8_t> input) {
  static Folder folder;
  folder.state.write(
      {reinterpret_cast<const char *>(input.data()), input.size()});
  std::vector<std::string> skipped;
  auto newest = newestCheckpoint(folder.run.path(), skipped);
  if (!newest.ok())
    return requireClear(newest.status().message());
  for (const std::string &message : skipped)
    requireClear(message);
  auto state = loadCheckpoint(folder.run.path(), 7, folder.tensors);
  require(state.ok(), "a whole checkpoint that does not load",
          state.status().message());
}

std::vector<std::string> fuzz::seeds() {
  std::string older = R"({"version": 1, "step": 7, "tokens": 8, "examples": 2,
    "length": 4, "data_tokens": 99, "seed": 3, "order": "shuffled", "model": "m",
    "loss": 2.5, "eval_loss": 1e-3, "best_eval_loss": 1.5, "best_step": 6,
    "evaluations_since_best": 1})";
  return {Folder().saved, older};
}
