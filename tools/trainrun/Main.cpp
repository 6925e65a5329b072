//===- Main.cpp - trainrun ------------------------------------------------===//
//
// The command line: the one file that knows CLI11. Fills a command's options,
// runs it, and turns its Status into the exit status: 1 the user's error, 2 a
// damaged or inconsistent file, 3 the system's.
//
//===----------------------------------------------------------------------===//

#include "runtime/core/Terminal.h"
#include "tools/trainrun/Commands.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <functional>
#include <system_error>
#include <unistd.h>

using namespace trainc;
using namespace trainc::trainrun;

namespace {

/// Runs when its command was chosen.
using Action = std::function<Status()>;

class CommandLine {
public:
  CommandLine();
  int run(int argc, char **argv);

private:
  CLI::App *add(const char *name, const char *what, const char *examples,
                Action action);
  void addTokenize();
  void addTrain();
  void addEval();
  void addGradients();
  void addPredict();
  void addGenerate();
  void addInspect();
  void addVerify();
  void addProfile();

  CLI::App app_{"Runs a plan made by trainc: trains, evaluates, generates."};
  std::vector<std::pair<CLI::App *, Action>> actions_;
  int interrupted_ = 0;

  TokenizeOptions tokenize_;
  TrainOptions train_;
  EvalOptions eval_;
  GradientsOptions gradients_;
  PredictOptions predict_;
  GenerateOptions generate_;
  InspectOptions inspect_;
  VerifyOptions verify_;
  ProfileOptions profile_;
};

CommandLine::CommandLine() {
  app_.require_subcommand(1);
  app_.footer("Examples:\n"
              "  trainrun tokenize --train 4096 book.txt -o book.safetensors\n"
              "  trainrun train gpt.plan --data book.safetensors --out run\n"
              "Exit status: 1 wrong use or data, 2 damaged file, 3 system, 128 "
              "+ signal when\none ended training (130: Ctrl-C).");
  addTokenize();
  addTrain();
  addEval();
  addGradients();
  addPredict();
  addGenerate();
  addInspect();
  addVerify();
  addProfile();
}

CLI::App *CommandLine::add(const char *name, const char *what,
                           const char *examples, Action action) {
  CLI::App *command = app_.add_subcommand(name, what);
  command->footer(std::string("Examples:\n") + examples);
  actions_.emplace_back(command, std::move(action));
  return command;
}

void addPlan(CLI::App *command, std::string &plan) {
  command->add_option("plan", plan, "the plan made by trainc compile")
      ->required()
      ->type_name("PLAN");
}

void addData(CLI::App *command, std::vector<std::string> &data) {
  command
      ->add_option("--data", data,
                   "files of tokens, or of examples, read as one")
      ->required()
      ->type_name("FILE...");
}

void addWeights(CLI::App *command, std::string &weights) {
  command
      ->add_option("--weights", weights,
                   "weight file, checkpoint folder or run folder")
      ->type_name("FILE");
}

void addThreads(CLI::App *command, unsigned &threads) {
  command
      ->add_option("--threads", threads,
                   "worker threads; default: one per CPU. Results do not "
                   "depend on it")
      ->type_name("N");
}

void addJson(CLI::App *command, bool &json,
             const char *what = "print one JSON object") {
  command->add_flag("--json", json, what);
}

void CommandLine::addTokenize() {
  CLI::App *command = add(
      "tokenize", "Turn text files into a token file",
      "  trainrun tokenize --train 4096 book.txt -o book.safetensors\n"
      "  trainrun tokenize --model book.model more.txt -o more.safetensors\n"
      "  trainrun tokenize --model book.model --documents jsonl "
      "--end-token '</s>' part-*.jsonl -o corpus.safetensors\n"
      "  trainrun tokenize --model bytes --documents blank-lines "
      "--sentences lines wiki.txt -o wiki.safetensors",
      [this] { return runTokenize(tokenize_, interrupted_); });
  command
      ->add_option("--model", tokenize_.model,
                   "SentencePiece model, or 'bytes': every byte a token")
      ->type_name("TOKENIZER");
  command
      ->add_option("--train", tokenize_.train_vocabulary,
                   "train a model of that many pieces first; it is written "
                   "beside the output as .model")
      ->type_name("VOCAB_SIZE");
  command->add_option("texts", tokenize_.texts, "UTF-8 text files")
      ->required()
      ->type_name("TEXT...");
  command->add_option("-o,--output", tokenize_.output, "the token file")
      ->required()
      ->type_name("TOKENS.safetensors");
  command
      ->add_option("--documents", tokenize_.documents,
                   "what a document is: files, lines, blank-lines (between "
                   "them), jsonl (\"text\" of every line), separator=TEXT")
      ->capture_default_str()
      ->type_name("RULE");
  command
      ->add_option("--sentences", tokenize_.sentences,
                   "write sentence_offsets: lines, or stops (. ! ? before a "
                   "space)")
      ->type_name("RULE");
  command
      ->add_option("--end-token", tokenize_.end_token,
                   "piece or id put after every document")
      ->type_name("TOKEN");
  addThreads(command, tokenize_.threads);
  addJson(command, tokenize_.json);
}

void CommandLine::addTrain() {
  CLI::App *command =
      add("train", "Train, or continue a run",
          "  trainrun train gpt.plan --data book.safetensors --out run\n"
          "  trainrun train gpt.plan --data book.safetensors --out run "
          "--resume --checkpoint-every 100 --keep 2\n"
          "  trainrun train gpt.plan --data book.safetensors --out run "
          "--eval-data test.safetensors --eval-every 50 --patience 5\n"
          "Ctrl-C finishes the step, saves a checkpoint and ends with status "
          "130; again: at once.",
          [this] { return runTrain(train_, interrupted_); });
  addPlan(command, train_.plan);
  addData(command, train_.data);
  command->add_option("--out", train_.run, "folder of the run")
      ->required()
      ->type_name("RUN");
  command
      ->add_option("--steps", train_.steps,
                   "last step, counted from the run's start; 0: only save the "
                   "start; default: the schedule's total")
      ->type_name("N");
  command
      ->add_option("--checkpoint-every", train_.checkpoint_every,
                   "steps between checkpoints; one is always written at the "
                   "end")
      ->type_name("N");
  command
      ->add_option("--keep", train_.keep,
                   "newest checkpoints to keep, besides the one with the best "
                   "held-out loss; default: all")
      ->type_name("N");
  command->add_flag("--resume", train_.resume,
                    "continue from the newest whole checkpoint");
  command->add_option("--init", train_.init, "weights to start from")
      ->type_name("MODEL.safetensors");
  command
      ->add_option("--order", train_.order,
                   "shuffled (default) or sequential order of the data")
      ->type_name("ORDER");
  addThreads(command, train_.threads);
  command->add_option("--eval-data", train_.eval_data, "held-out token files")
      ->type_name("FILE...");
  command
      ->add_option("--eval-every", train_.eval_every,
                   "steps between evaluations; default: only at the end")
      ->type_name("N");
  command
      ->add_option("--patience", train_.patience,
                   "stop after that many evaluations without a better loss")
      ->type_name("N");
  addJson(command, train_.json,
          "print summary.json to stdout, progress to stderr");
}

void CommandLine::addEval() {
  CLI::App *command =
      add("eval", "Held-out loss of weights",
          "  trainrun eval gpt.plan --data test.safetensors --weights run\n"
          "  trainrun eval gpt.plan --data test.safetensors --weights "
          "model.safetensors --json",
          [this] { return runEval(eval_); });
  addPlan(command, eval_.plan);
  addData(command, eval_.data);
  addWeights(command, eval_.weights);
  command->get_option("--weights")->required();
  addThreads(command, eval_.threads);
  addJson(command, eval_.json);
}

void CommandLine::addGradients() {
  CLI::App *command =
      add("gradients", "Gradients and loss of the first step's batch",
          "  trainrun gradients gpt.plan --data book.safetensors --init "
          "model.safetensors -o gradients.safetensors\n"
          "  trainrun gradients gpt.plan --data book.safetensors -o "
          "gradients.safetensors --order shuffled",
          [this] { return runGradients(gradients_); });
  addPlan(command, gradients_.plan);
  addData(command, gradients_.data);
  command
      ->add_option("--init", gradients_.init,
                   "weights; default: the plan's own initialisation")
      ->type_name("FILE");
  command->add_option("-o,--output", gradients_.output, "file to write")
      ->required()
      ->type_name("GRADIENTS.safetensors");
  command
      ->add_option("--order", gradients_.order,
                   "sequential (default) or shuffled order of the data")
      ->type_name("ORDER");
  addThreads(command, gradients_.threads);
  addJson(command, gradients_.json);
}

void CommandLine::addPredict() {
  CLI::App *command =
      add("predict", "Hidden states and logits of the first micro-batch",
          "  trainrun predict gpt.plan --data book.safetensors --weights run "
          "-o out.safetensors\n"
          "  trainrun predict gpt.plan --data book.safetensors --weights "
          "model.safetensors -o out.safetensors",
          [this] { return runPredict(predict_); });
  addPlan(command, predict_.plan);
  addData(command, predict_.data);
  addWeights(command, predict_.weights);
  command->get_option("--weights")->required();
  command->add_option("-o,--output", predict_.output, "file to write")
      ->required()
      ->type_name("OUT.safetensors");
  addThreads(command, predict_.threads);
  addJson(command, predict_.json);
}

void CommandLine::addGenerate() {
  CLI::App *command =
      add("generate", "Continue a prompt",
          "  trainrun generate gpt.plan --weights run --tokenizer book.model "
          "--prompt 'In the beginning'\n"
          "  trainrun generate gpt.plan --weights run --tokenizer book.model "
          "--prompt 'And' --count 50 --temperature 0",
          [this] { return runGenerate(generate_); });
  addPlan(command, generate_.plan);
  addWeights(command, generate_.weights);
  command->get_option("--weights")->required();
  command
      ->add_option("--tokenizer", generate_.tokenizer,
                   "SentencePiece model, or 'bytes'")
      ->required()
      ->type_name("FILE");
  command->add_option("--prompt", generate_.prompt, "text to continue")
      ->required()
      ->type_name("TEXT");
  command->add_option("--count", generate_.count, "tokens to generate")
      ->capture_default_str()
      ->type_name("N");
  command
      ->add_option("--temperature", generate_.temperature,
                   "0: always the likeliest token")
      ->capture_default_str()
      ->type_name("X");
  command
      ->add_option("--top-k", generate_.top_k,
                   "draw from the K likeliest tokens; 0: all")
      ->capture_default_str()
      ->type_name("K");
  command->add_option("--seed", generate_.seed, "of the draws")
      ->capture_default_str()
      ->type_name("S");
  addThreads(command, generate_.threads);
  addJson(command, generate_.json);
}

void CommandLine::addInspect() {
  CLI::App *command = add("inspect", "Show what is in a plan",
                          "  trainrun inspect gpt.plan\n"
                          "  trainrun inspect gpt.plan --json",
                          [this] { return runInspect(inspect_); });
  addPlan(command, inspect_.plan);
  addJson(command, inspect_.json);
}

void CommandLine::addVerify() {
  CLI::App *command =
      add("verify", "Prove a plan whole and consistent",
          "  trainrun verify gpt.plan\n"
          "  trainrun verify gpt.plan && trainrun train gpt.plan "
          "--data book.safetensors --out run",
          [this] { return runVerify(verify_); });
  addPlan(command, verify_.plan);
  addJson(command, verify_.json);
}

void CommandLine::addProfile() {
  CLI::App *command = add(
      "profile",
      "Time the kernels of some training steps, beside the machine's limits",
      "  trainrun profile gpt.plan --data book.safetensors\n"
      "  trainrun profile gpt.plan --data book.safetensors --steps 20 "
      "--threads 1 --json",
      [this] { return runProfile(profile_); });
  addPlan(command, profile_.plan);
  addData(command, profile_.data);
  addWeights(command, profile_.weights);
  command->add_option("--steps", profile_.steps, "steps to time")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  addThreads(command, profile_.threads);
  command
      ->add_option("--sweep-mib", profile_.sweep_mebibytes,
                   "memory to measure its bandwidth with; default: four times "
                   "the last cache, at most 2048")
      ->type_name("N");
  command->add_flag("--json", profile_.json, "print one JSON object");
}

int fail(const Status &status) {
  fmt::print(stderr, "{}: {}\n", coloured(STDERR_FILENO, Colour::Red, "error"),
             status.message());
  return status.exitStatus();
}

Status outputError(std::string_view cause) {
  return Status::system(fmt::format(
      "standard output: expected to write the results, but got: {}", cause));
}

/// Results that did not reach their reader are no success.
Status flushOutput() {
  errno = 0;
  if (std::fflush(stdout) == 0 && !std::ferror(stdout))
    return {};
  return outputError(errno ? std::strerror(errno) : "an error");
}

int CommandLine::run(int argc, char **argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app_.exit(error); // --help
    std::string command;
    for (const auto &[parsed, action] : actions_)
      if (parsed->parsed())
        command = " " + parsed->get_name();
    return fail(Status::user(fmt::format(
        "expected a command line as 'trainrun{} --help' shows, but got: {}",
        command, error.what())));
  }
  for (const auto &[command, action] : actions_)
    if (command->parsed()) {
      Status status = action();
      // A run goes on, and ends well, when nobody reads its progress.
      if (status.ok() && (command->get_name() != "train" || train_.json))
        status = flushOutput();
      if (!status.ok())
        return fail(status);
    }
  // As shells report a program that a signal ended.
  return interrupted_ ? 128 + interrupted_ : 0;
}

} // namespace

int main(int argc, char **argv) {
  // A file beyond the limit of its size is an error of the write (EFBIG).
  std::signal(SIGXFSZ, SIG_IGN);
  // The libraries return errors; the language's own run out of memory.
  try {
    return CommandLine().run(argc, argv);
  } catch (const std::exception &error) {
    const auto *system = dynamic_cast<const std::system_error *>(&error);
    if (system && std::ferror(stdout))
      return fail(outputError(system->code().message()));
    return fail(Status::system(
        fmt::format("expected the system's resources to suffice, but got: {}",
                    error.what())));
  }
}
