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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    // CLI11 reports by exception; its statuses other than 0 are the user's
    // errors.
    return app.exit(error) == 0 ? 0 : 1;
  }
  return action();
}
