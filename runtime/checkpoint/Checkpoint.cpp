//===- Checkpoint.cpp -----------------------------------------------------===//

#include "runtime/checkpoint/Checkpoint.h"

#include "runtime/checkpoint/FileSystem.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace trainc {

namespace fs = std::filesystem;
// Keeps the order of the keys, so that a text comes back as it was.
using Json = nlohmann::ordered_json;

static constexpr std::string_view kModelFile = "model.safetensors";
static constexpr std::string_view kOptimizerFile = "optimizer.safetensors";
static constexpr std::string_view kStateFile = "state.json";
static constexpr std::string_view kFolderPrefix = "checkpoint-";

std::string checkpointFolder(const std::string &run, uint64_t step) {
  return fmt::format("{}/{}{}", run, kFolderPrefix, step);
}

static std::string inFolder(const std::string &folder, std::string_view name) {
  return fmt::format("{}/{}", folder, name);
}

//===----------------------------------------------------------------------===//
// state.json
//===----------------------------------------------------------------------===//

namespace {
/// What state.json holds.
struct SavedState {
  TrainingState training;
  /// StreamHash of the files beside it by name; none in those of before.
  std::map<std::string, std::string, std::less<>> hashes;
};
} // namespace

static std::string hashText(uint64_t hash) {
  return fmt::format("{:016x}", hash);
}

/// Text of `json` with the hash of the text without it as last key.
static std::string seal(Json json) {
  const auto dump = [&] {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  };
  const std::string text = dump();
  StreamHash hash;
  hash.update(std::as_bytes(std::span(text)));
  json["hash"] = hashText(hash.value());
  return dump();
}

static std::string formatState(const SavedState &saved) {
  const TrainingState &state = saved.training;
  Json json;
  json["version"] = 1;
  json["step"] = state.step;
  json["tokens"] = state.tokens;
  json["examples"] = state.examples;
  json["length"] = state.length;
  json["data_tokens"] = state.data_tokens;
  json["seed"] = state.seed;
  json["order"] = state.order;
  json["model"] = state.model;
  for (auto [key, value] :
       {std::pair{"loss", &state.loss}, {"eval_loss", &state.eval_loss}})
    if (*value)
      json[key] = **value;
  if (state.best_eval_loss) {
    json["best_eval_loss"] = *state.best_eval_loss;
    if (state.best_step)
      json["best_step"] = *state.best_step;
    json["evaluations_since_best"] = state.evaluations_since_best;
  }
  json["files"] = saved.hashes;
  return seal(std::move(json));
}

static Result<SavedState> readState(const std::string &path) {
  constexpr uint64_t kMaxStateBytes = uint64_t(1) << 20;
  Result<std::string> text = readWholeFile(path, kMaxStateBytes);
  if (!text.ok())
    return text.status();
  Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  auto damaged = [&](std::string_view key) {
    return Status::file(fmt::format(
        "{}: expected '{}' as this version of trainrun writes it, but got "
        "something else; resume from another checkpoint",
        path, key));
  };
  if (!json.is_object())
    return damaged("{...}");
  SavedState saved;
  TrainingState &state = saved.training;
  auto version = json.find("version");
  if (version == json.end() || *version != 1)
    return damaged("version");
  for (auto [key, field] : {std::pair{"step", &state.step},
                            {"tokens", &state.tokens},
                            {"examples", &state.examples},
                            {"seed", &state.seed}}) {
    auto it = json.find(key);
    if (it == json.end() || !it->is_number_unsigned())
      return damaged(key);
    *field = it->get<uint64_t>();
  }
  // Checkpoints of earlier versions lack these.
  for (auto [key, field] : {std::pair{"length", &state.length},
                            {"data_tokens", &state.data_tokens}})
    if (auto it = json.find(key); it != json.end()) {
      if (!it->is_number_unsigned())
        return damaged(key);
      *field = it->get<uint64_t>();
    }
  for (auto [key, field] :
       {std::pair{"order", &state.order}, {"model", &state.model}}) {
    auto it = json.find(key);
    if (it == json.end() || !it->is_string())
      return damaged(key);
    *field = it->get<std::string>();
  }
  for (auto [key, field] :
       {std::pair{"loss", &state.loss}, {"eval_loss", &state.eval_loss}})
    if (auto it = json.find(key); it != json.end()) {
      if (!it->is_number())
        return damaged(key);
      *field = it->get<double>();
    }
  if (auto it = json.find("best_eval_loss"); it != json.end()) {
    auto since = json.find("evaluations_since_best");
    if (!it->is_number() || since == json.end() || !since->is_number_unsigned())
      return damaged("best_eval_loss");
    state.best_eval_loss = it->get<double>();
    state.evaluations_since_best = since->get<uint64_t>();
    if (auto best = json.find("best_step"); best != json.end()) {
      if (!best->is_number_unsigned())
        return damaged("best_step");
      state.best_step = best->get<uint64_t>();
    }
  }
  if (auto files = json.find("files"); files != json.end()) {
    if (!files->is_object())
      return damaged("files");
    for (const auto &[name, hash] : files->items()) {
      if (!hash.is_string())
        return damaged("files");
      saved.hashes[name] = hash.get<std::string>();
    }
    // Of the same age.
    Json unsealed = json;
    unsealed.erase("hash");
    if (seal(std::move(unsealed)) != *text)
      return damaged("hash");
  }
  return saved;
}

//===----------------------------------------------------------------------===//
// Saving
//===----------------------------------------------------------------------===//

/// Takes a checkpoint out of the way in one step, then deletes it.
static Status removeFolder(const std::string &run, const std::string &name) {
  std::string folder = inFolder(run, name);
  if (!name.starts_with('.')) {
    std::string away = inFolder(run, ".tmp-removed-" + name);
    if (!file_system::removeTree(away) || !file_system::rename(folder, away))
      return systemError(folder, "remove the checkpoint");
    folder = away;
  }
  return file_system::removeTree(folder) ? Status()
                                         : systemError(folder, "remove it");
}

/// Fills the temporary folder and makes it durable.
static Status writeFolder(const std::string &folder,
                          const TrainingTensors &tensors,
                          const TrainingState &state) {
  constexpr Placement kPlacement = Placement::NewFolder;
  SavedState saved{state, {}};
  for (auto [name, list] : {std::pair{kModelFile, &tensors.parameters},
                            {kOptimizerFile, &tensors.optimizer}}) {
    uint64_t hash = 0;
    TRAINC_RETURN_IF_ERROR(
        writeTensors(inFolder(folder, name), *list, kPlacement, &hash));
    saved.hashes.emplace(name, hashText(hash));
  }
  TRAINC_RETURN_IF_ERROR(writeWholeFile(inFolder(folder, kStateFile),
                                        formatState(saved), kPlacement));
  return syncFolder(folder);
}

/// Gives the finished folder its name; what had it before takes the temporary
/// one.
static Status putInPlace(const std::string &run, const std::string &temporary,
                         const std::string &name) {
  std::string folder = inFolder(run, name);
  if (file_system::rename(temporary, folder))
    return {};
  if (errno != ENOTEMPTY && errno != EEXIST)
    return systemError(folder, "put the finished checkpoint in place");
  if (file_system::exchange(temporary, folder))
    return {};
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
    return systemError(folder, "replace the checkpoint");
  TRAINC_RETURN_IF_ERROR(removeFolder(run, name));
  return file_system::rename(temporary, folder)
             ? Status()
             : systemError(folder, "put the finished checkpoint in place");
}

Status saveCheckpoint(const std::string &run, const TrainingTensors &tensors,
                      const TrainingState &state) {
  std::string name = fmt::format("{}{}", kFolderPrefix, state.step);
  std::string temporary = inFolder(run, ".tmp-" + name);
  if (!file_system::removeTree(temporary) ||
      !file_system::makeFolder(temporary))
    return systemError(temporary, "create the folder");
  Status status = writeFolder(temporary, tensors, state);
  if (status.ok())
    status = putInPlace(run, temporary, name);
  if (status.ok())
    status = syncFolder(run);
  // Half of the new one, or all of the one it replaced.
  bool removed = file_system::removeTree(temporary);
  if (status.ok() && !removed)
    return systemError(temporary, "remove it");
  return status;
}

//===----------------------------------------------------------------------===//
// Finding and loading
//===----------------------------------------------------------------------===//

static std::optional<uint64_t> parseFolderName(std::string_view name) {
  if (!name.starts_with(kFolderPrefix))
    return std::nullopt;
  name.remove_prefix(kFolderPrefix.size());
  uint64_t step = 0;
  auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size())
    return std::nullopt;
  return step;
}

/// Calls `visit` with the name of each entry of `run`; none if it is missing.
template <typename Visit>
static void forEachEntry(const std::string &run, Visit visit) {
  std::error_code error;
  fs::directory_iterator it(run, error), end;
  while (!error && it != end) {
    visit(it->path().filename().string());
    it.increment(error);
  }
}

std::vector<uint64_t> listCheckpoints(const std::string &run) {
  std::vector<uint64_t> steps;
  forEachEntry(run, [&](const std::string &name) {
    if (std::optional<uint64_t> step = parseFolderName(name))
      steps.push_back(*step);
  });
  std::sort(steps.begin(), steps.end());
  return steps;
}

/// A safetensors file with the hash it was saved with.
static Status checkFile(const std::string &folder, std::string_view name,
                        const SavedState &saved) {
  const std::string path = inFolder(folder, name);
  if (Result<SafetensorsFile> file = SafetensorsFile::open(path); !file.ok())
    return file.status();
  const auto expected = saved.hashes.find(name);
  if (expected == saved.hashes.end())
    return {};
  Result<uint64_t> hash = hashFile(path);
  if (!hash.ok())
    return hash.status();
  if (hashText(*hash) == expected->second)
    return {};
  return Status::file(fmt::format(
      "{}: expected content hash {} as it was saved, but got {}; the file was "
      "altered since: use another checkpoint, or give it alone as weights",
      path, expected->second, hashText(*hash)));
}

static Status checkWhole(const std::string &folder, uint64_t step) {
  Result<SavedState> saved = readState(inFolder(folder, kStateFile));
  if (!saved.ok())
    return saved.status();
  if (saved->training.step != step)
    return Status::file(fmt::format(
        "{}: expected step {}, but got {}; the folder was renamed or altered",
        folder, step, saved->training.step));
  for (std::string_view name : {kModelFile, kOptimizerFile})
    TRAINC_RETURN_IF_ERROR(checkFile(folder, name, *saved));
  return {};
}

Status checkSavedModel(const std::string &folder) {
  std::error_code error;
  if (!fs::exists(inFolder(folder, kStateFile), error))
    return {};
  Result<SavedState> saved = readState(inFolder(folder, kStateFile));
  return saved.ok() ? checkFile(folder, kModelFile, *saved) : saved.status();
}

Result<std::optional<uint64_t>>
newestCheckpoint(const std::string &run, std::vector<std::string> &skipped) {
  std::vector<uint64_t> steps = listCheckpoints(run);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    Status status = checkWhole(checkpointFolder(run, *step), *step);
    if (status.ok())
      return std::optional(*step);
    // A disk that cannot be read now is no reason to fall back.
    if (status.code() == StatusCode::System)
      return status;
    skipped.push_back(status.message());
  }
  if (!steps.empty())
    return Status::file(fmt::format(
        "{}: expected a whole checkpoint, but got {} damaged ones, the newest: "
        "{}; restore one of them, or begin again in another folder",
        run, steps.size(), skipped.front()));
  return std::optional<uint64_t>();
}

Result<TrainingState> loadCheckpoint(const std::string &run, uint64_t step,
                                     const TrainingTensors &tensors) {
  std::string folder = checkpointFolder(run, step);
  Result<SavedState> saved = readState(inFolder(folder, kStateFile));
  if (!saved.ok())
    return saved.status();
  TRAINC_RETURN_IF_ERROR(
      readTensors(inFolder(folder, kModelFile), tensors.parameters));
  TRAINC_RETURN_IF_ERROR(
      readTensors(inFolder(folder, kOptimizerFile), tensors.optimizer));
  return saved->training;
}

Status pruneCheckpoints(const std::string &run, uint64_t newest, uint64_t keep,
                        std::optional<uint64_t> best) {
  std::vector<uint64_t> steps = listCheckpoints(run);
  std::erase_if(steps, [&](uint64_t step) { return step > newest; });
  if (keep == 0 || steps.size() <= keep)
    return {};
  steps.resize(steps.size() - keep);
  for (uint64_t step : steps)
    if (step != best)
      TRAINC_RETURN_IF_ERROR(
          removeFolder(run, fmt::format("{}{}", kFolderPrefix, step)));
  return {};
}

Status removeLeftovers(const std::string &run) {
  std::vector<std::string> leftovers;
  forEachEntry(run, [&](const std::string &name) {
    if (name.starts_with(".tmp-"))
      leftovers.push_back(name);
  });
  for (const std::string &name : leftovers)
    TRAINC_RETURN_IF_ERROR(removeFolder(run, name));
  return {};
}

} // namespace trainc
