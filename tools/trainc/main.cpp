//===- main.cpp - trainc: recipes to plans --------------------------------===//

#include "tools/trainc/Commands.h"

int main(int argc, char **argv) {
  CLI::App app("trainc: compiles the training of a transformer ahead of time",
               "trainc");
  app.require_subcommand(1);
  app.set_version_flag("--version", "trainc 0.1.0");
  app.footer(
      "Examples:\n"
      "  trainc compile models/recipes/quickstart.toml -o quickstart.plan\n"
      "  trainc fit models/recipes/gpt2-1.5b.toml\n");
  trainc::tools::Action action;
  trainc::tools::addCompileCommand(app, action);
  trainc::tools::addFitCommand(app, action);
  trainc::tools::addHeaderCommand(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    // CLI11 reports by exception; status 0 is --help and --version.
    if (error.get_exit_code() == 0)
      return app.exit(error);
    return trainc::tools::fail(1, std::string(error.what()) + " (try --help)");
  }
  return action();
}
