//===- InitScheme.cpp - how matrices and tables start ---------------------===//

#include "models/layers/ModelBuilder.h"

#include <cmath>

namespace trainc::models {

namespace {
/// A scheme that decides by itself.
struct Scheme {
  std::string name;
  Init (*matrix)(double inputs, double outputs, double deviation);
  Init (*table)(double deviation);
};

Init byFanIn(double inputs, double, double) {
  return Init::normal(1 / std::sqrt(inputs));
}

// Glorot and Bengio 2010; "xavier" is the chapter's N(0, 1/n) of fan-in n;
// BERT's truncated normal is cut at two deviations. T5's (Raffel et al. 2020;
// training-semantics.md 6.3) has no scale of scores: its queries start smaller
// by what scores are divided by here, which is the same function.
const Scheme kSchemes[] = {
    {"normal",
     [](double, double, double deviation) { return Init::normal(deviation); },
     Init::normal},
    {"truncated_normal",
     [](double, double, double deviation) {
       return Init::truncated(deviation);
     },
     Init::truncated},
    {"xavier", byFanIn, Init::normal},
    {"glorot_normal",
     [](double inputs, double outputs, double) {
       return Init::normal(std::sqrt(2 / (inputs + outputs)));
     },
     Init::normal},
    {"glorot_uniform",
     [](double inputs, double outputs, double) {
       return Init::uniform(std::sqrt(6 / (inputs + outputs)));
     },
     Init::normal},
    {"t5", byFanIn, [](double) { return Init::normal(1); }},
};

const Scheme *find(llvm::StringRef name) {
  for (const Scheme &scheme : kSchemes)
    if (scheme.name == name)
      return &scheme;
  return nullptr;
}
} // namespace

Init InitScheme::matrix(int64_t inputs, int64_t outputs, Init family) const {
  const Scheme *scheme = find(name);
  return scheme ? scheme->matrix(inputs, outputs, deviation) : family;
}

Init InitScheme::table(Init family) const {
  const Scheme *scheme = find(name);
  return scheme ? scheme->table(deviation) : family;
}

llvm::ArrayRef<std::string> initSchemes() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> names = {"family"};
    for (const Scheme &scheme : kSchemes)
      names.push_back(scheme.name);
    return names;
  }();
  return names;
}

} // namespace trainc::models
