//===- Commands.h - the commands of trainrun ---------------------*- C++
//-*-===//
//
// One function and one struct of options per command, each in a file of its
// own. Main.cpp fills the structs; nothing else knows the command line's
// parser. A command prints its results to stdout and returns how it ended.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_TOOLS_TRAINRUN_COMMANDS_H
#define TRAINC_TOOLS_TRAINRUN_COMMANDS_H

#include "runtime/core/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trainc::trainrun {

struct TokenizeOptions {
  std::string model;               ///< path or "bytes"; empty with `train`
  uint32_t train_vocabulary = 0;   ///< pieces to train; 0: use `model`
  std::vector<std::string> texts;  ///< UTF-8 files
  std::string output;              ///< TOKENS.safetensors
  std::string documents = "files"; ///< see parseDocumentRule
  std::string sentences;           ///< see parseSentenceRule; empty: none
  std::string end_token;           ///< id or piece after every document
  unsigned threads = 0;
  bool json = false; ///< results as one JSON object
};
/// `interrupted` becomes the number of the signal that ended the work, if any;
/// there is no output then.
Status runTokenize(const TokenizeOptions &options, int &interrupted);

struct TrainOptions {
  std::string plan;
  std::vector<std::string> data;
  std::string run;               ///< the folder RUN
  std::optional<uint64_t> steps; ///< absolute last step
  uint64_t checkpoint_every = 0; ///< 0: only at the end
  uint64_t keep = 0;             ///< newest checkpoints kept; 0: all
  bool resume = false;
  std::string init;     ///< weights to start from
  std::string order;    ///< empty: shuffled, or as resumed
  unsigned threads = 0; ///< 0: one per CPU
  std::vector<std::string> eval_data;
  uint64_t eval_every = 0; ///< 0: only at the end
  uint64_t patience = 0;   ///< 0: never stop early
  bool json = false;       ///< summary.json on stdout, progress on stderr
};
/// `interrupted` becomes the number of the signal that ended the run, if any.
Status runTrain(const TrainOptions &options, int &interrupted);

struct EvalOptions {
  std::string plan;
  std::vector<std::string> data;
  std::string weights;
  unsigned threads = 0;
  bool json = false;
};
Status runEval(const EvalOptions &options);

struct GradientsOptions {
  std::string plan;
  std::vector<std::string> data;
  std::string init; ///< empty: the plan's own initialisation
  std::string output;
  std::string order = "sequential";
  unsigned threads = 0;
  bool json = false;
};
Status runGradients(const GradientsOptions &options);

struct PredictOptions {
  std::string plan;
  std::vector<std::string> data;
  std::string weights;
  std::string output;
  unsigned threads = 0;
  bool json = false;
};
Status runPredict(const PredictOptions &options);

struct GenerateOptions {
  std::string plan;
  std::string weights;
  std::string tokenizer;
  std::string prompt;
  uint64_t count = 200; ///< tokens
  double temperature = 0.8;
  uint32_t top_k = 40; ///< 0: all
  uint64_t seed = 1;
  unsigned threads = 0;
  bool json = false;
};
Status runGenerate(const GenerateOptions &options);

struct InspectOptions {
  std::string plan;
  bool json = false;
};
Status runInspect(const InspectOptions &options);

struct VerifyOptions {
  std::string plan;
  bool json = false;
};
Status runVerify(const VerifyOptions &options);

struct ProfileOptions {
  std::string plan;
  std::vector<std::string> data;
  std::string weights;
  uint64_t steps = 5;
  unsigned threads = 0;
  uint64_t sweep_mebibytes = 0; ///< 0: four times the last cache
  bool json = false;
};
Status runProfile(const ProfileOptions &options);

} // namespace trainc::trainrun

#endif // TRAINC_TOOLS_TRAINRUN_COMMANDS_H
