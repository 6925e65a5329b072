//===- Checkpoint.cpp -----------------------------------------------------===//

#include "runtime/checkpoint/Checkpoint.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

namespace trainc {

namespace fs = std::filesystem;
using Json = nlohmann::json;

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

static std::string formatState(const TrainingState &state) {
  nlohmann::ordered_json json;
  json["version"] = 1;
  json["step"] = state.step;
  json["tokens"] = state.tokens;
  json["examples"] = state.examples;
  json["seed"] = state.seed;
  json["order"] = state.order;
  json["model"] = state.model;
  if (state.best_eval_loss) {
    json["best_eval_loss"] = *state.best_eval_loss;
    json["evaluations_since_best"] = state.evaluations_since_best;
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

static Result<TrainingState> readState(const std::string &path) {
  Result<std::string> text = readWholeFile(path);
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
  TrainingState state;
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
  for (auto [key, field] :
       {std::pair{"order", &state.order}, {"model", &state.model}}) {
    auto it = json.find(key);
    if (it == json.end() || !it->is_string())
      return damaged(key);
    *field = it->get<std::string>();
  }
  if (auto it = json.find("best_eval_loss"); it != json.end()) {
    auto since = json.find("evaluations_since_best");
    if (!it->is_number() || since == json.end() || !since->is_number_unsigned())
      return damaged("best_eval_loss");
    state.best_eval_loss = it->get<double>();
    state.evaluations_since_best = since->get<uint64_t>();
  }
  return state;
}

//===----------------------------------------------------------------------===//
// Saving
//===----------------------------------------------------------------------===//

/// Takes a checkpoint out of the way in one step, then deletes it.
static Status removeFolder(const std::string &run, const std::string &name) {
  std::string from = inFolder(run, name);
  std::string away =
      name.starts_with('.') ? from : inFolder(run, ".tmp-removed-" + name);
  std::error_code error;
  if (away != from) {
    fs::remove_all(away, error);
    if (std::rename(from.c_str(), away.c_str()) != 0)
      return systemError(from, "remove the checkpoint");
  }
  fs::remove_all(away, error);
  if (error)
    return Status::system(fmt::format("{}: expected to remove it, but got: {}",
                                      away, error.message()));
  return {};
}

/// Fills the temporary folder and makes it durable.
static Status writeFolder(const std::string &folder,
                          const TrainingTensors &tensors,
                          const TrainingState &state) {
  TRAINC_RETURN_IF_ERROR(
      writeTensors(inFolder(folder, kModelFile), tensors.parameters));
  TRAINC_RETURN_IF_ERROR(
      writeTensors(inFolder(folder, kOptimizerFile), tensors.optimizer));
  TRAINC_RETURN_IF_ERROR(
      writeWholeFile(inFolder(folder, kStateFile), formatState(state)));
  return syncFolder(folder);
}

Status saveCheckpoint(const std::string &run, const TrainingTensors &tensors,
                      const TrainingState &state) {
  std::string name = fmt::format("{}{}", kFolderPrefix, state.step);
  std::string temporary = inFolder(run, ".tmp-" + name);
  std::error_code error;
  fs::remove_all(temporary, error);
  if (mkdir(temporary.c_str(), 0777) != 0)
    return systemError(temporary, "create the folder");
  if (Status status = writeFolder(temporary, tensors, state); !status.ok()) {
    fs::remove_all(temporary, error);
    return status;
  }
  if (fs::exists(checkpointFolder(run, state.step), error))
    TRAINC_RETURN_IF_ERROR(removeFolder(run, name));
  if (std::rename(temporary.c_str(),
                  checkpointFolder(run, state.step).c_str()) != 0)
    return systemError(temporary, "put the finished checkpoint in place");
  return syncFolder(run);
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

static Status checkWhole(const std::string &folder, uint64_t step) {
  Result<TrainingState> state = readState(inFolder(folder, kStateFile));
  if (!state.ok())
    return state.status();
  if (state->step != step)
    return Status::file(fmt::format("{}: expected step {}, but got {}", folder,
                                    step, state->step));
  for (std::string_view name : {kModelFile, kOptimizerFile})
    if (Result<SafetensorsFile> file =
            SafetensorsFile::open(inFolder(folder, name));
        !file.ok())
      return file.status();
  return {};
}

std::optional<uint64_t> newestCheckpoint(const std::string &run,
                                         std::vector<std::string> &skipped) {
  std::vector<uint64_t> steps = listCheckpoints(run);
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    Status status = checkWhole(checkpointFolder(run, *step), *step);
    if (status.ok())
      return *step;
    skipped.push_back(status.message());
  }
  return std::nullopt;
}

Result<TrainingState> loadCheckpoint(const std::string &run, uint64_t step,
                                     const TrainingTensors &tensors) {
  std::string folder = checkpointFolder(run, step);
  Result<TrainingState> state = readState(inFolder(folder, kStateFile));
  if (!state.ok())
    return state;
  TRAINC_RETURN_IF_ERROR(
      readTensors(inFolder(folder, kModelFile), tensors.parameters));
  TRAINC_RETURN_IF_ERROR(
      readTensors(inFolder(folder, kOptimizerFile), tensors.optimizer));
  return state;
}

Status pruneCheckpoints(const std::string &run, uint64_t keep) {
  std::vector<std::string> remove;
  forEachEntry(run, [&](const std::string &name) {
    if (name.starts_with(".tmp-"))
      remove.push_back(name);
  });
  std::vector<uint64_t> steps = listCheckpoints(run);
  if (keep > 0 && steps.size() > keep)
    for (size_t i = 0; i < steps.size() - keep; ++i)
      remove.push_back(fmt::format("{}{}", kFolderPrefix, steps[i]));
  for (const std::string &name : remove)
    TRAINC_RETURN_IF_ERROR(removeFolder(run, name));
  return {};
}

} // namespace trainc
