//===- Registry.h - what a recipe can name ----------------------*- C++ -*-===//
//
// A family, objective, optimizer or schedule is a value that describes itself:
// its name, its recipe keys, and functions that build IR. The build generates
// the lists from the folders (models/CMakeLists.txt): a new one is one new stem
// of files that defines `describe<Stem>()`, and nothing else changes.
//
//===----------------------------------------------------------------------===//
#ifndef TRAINC_MODELS_REGISTRY_H
#define TRAINC_MODELS_REGISTRY_H

#include "models/Expression.h"
#include "models/Settings.h"
#include "models/layers/ModelBuilder.h"

#include <functional>

namespace trainc::models {

/// A model architecture. Functions build at the ModelBuilder's insertion point.
struct Family {
  std::string name;           ///< value of model.family
  std::string externalPrefix; ///< before tensor names in weight files
  bool generates = false;     ///< has a next-token distribution
  std::vector<Key> keys;      ///< of [model], besides family
  /// Tensors of weight files that are not parameters: names or suffixes.
  std::function<std::vector<std::string>(const Settings &model)> ignoredBuffers;
  /// Reports combinations of values that no model has.
  std::function<void(const Settings &model, const BatchShape &batch,
                     Report report)>
      check;
  /// Token ids i32 [B, T] → hidden states [B, T, C] after the final norm.
  std::function<mlir::Value(ModelBuilder &, const Settings &model,
                            mlir::Value ids)>
      buildHidden;
  /// Hidden rows [N, C] → logits [N, V].
  std::function<mlir::Value(ModelBuilder &, const Settings &model,
                            mlir::Value rows)>
      buildLogits;
};

/// What is minimised: heads and loss terms.
struct Objective {
  std::string name;      ///< value of objective.name
  std::vector<Key> keys; ///< of [objective], besides name
  int64_t ignoreIndex = -100;
  /// Builds head, train.loss terms and train.output from i32 [B, T] ids.
  void (*build)(ModelBuilder &, const Family &, const Settings &model,
                const Settings &objective, mlir::Value inputs,
                mlir::Value targets) = nullptr;
};

/// A value per update that survives it, in f64.
struct ScalarState {
  std::string name;
  double start;
};

/// Results of an optimizer's step rule.
struct StepValues {
  std::vector<Expression> scalars; ///< new scalar states
  std::vector<Expression> derived; ///< passed to the element rule
};

/// What an optimizer's element rule sees of one parameter element.
struct Element {
  Expression theta;    ///< the parameter
  Expression gradient; ///< after clipping
  llvm::ArrayRef<Expression> states;
  Expression decay; ///< weight_decay, or 0 where the parameter is spared
  llvm::ArrayRef<Expression> derived;
};

/// Results of an optimizer's element rule.
struct ElementValues {
  Expression theta;
  std::vector<Expression> states;
};

using ElementRule =
    std::function<ElementValues(const Settings &, const Element &)>;

/// Values kept per parameter, in its type.
struct State {
  std::string name;
  train::Extent extent; ///< one for each of these
  std::string key;      ///< only kept where this number is not 0; or empty

  State(const char *name, train::Extent extent = train::Extent::Element,
        const char *key = "")
      : name(name), extent(extent), key(key) {}
};

/// A weight-update rule.
struct Optimizer {
  std::string name;                 ///< value of optimizer.name
  std::vector<Key> keys;            ///< of [optimizer], besides the common ones
  std::vector<State> states;        ///< of `element`, one per element
  std::vector<ScalarState> scalars; ///< per update
  /// Once per update, in f64.
  std::function<StepValues(const Settings &, Expression learningRate,
                           llvm::ArrayRef<Expression> scalars)>
      step;
  /// For every element, in the parameter's type.
  ElementRule element;
  /// The same for matrices, where they take another rule. It may use means.
  ElementRule matrix = {};
  std::vector<State> matrixStates = {}; ///< of `matrix`
  std::string matrixMinimum = {}; ///< key of its smallest dimension; or empty
  /// Tables of embeddings and of logits take `element` unless the recipe says.
  bool sparesTables = false;
};

/// Lengths of a schedule in updates; real numbers, as recipes may count tokens.
struct ScheduleShape {
  double peak = 0;   ///< learning_rate
  double warmup = 0; ///< updates of linear warm-up
  double total = 0;  ///< updates until the end of the decay; 0 for none
  /// Where lengths are in tokens: how many are one update's.
  double tokensPerUpdate = 0;
};

/// Where a schedule is asked for its learning rate.
struct ScheduleMoment {
  Expression update; ///< from 1, held at the total where there is one
  Expression now;    ///< the same, not held
  ScheduleShape shape;

  /// From 0 at the end of warm-up to 1 at the total.
  Expression progress() const;
  /// A straight line from 0 to the peak at the end of warm-up.
  Expression warming() const;
};

/// Learning rate over updates, after the warm-up that all share
/// (training-semantics.md 6.1).
struct Schedule {
  std::string name;      ///< value of schedule.name
  std::vector<Key> keys; ///< of [schedule], besides the common ones
  bool decays = true;    ///< needs a total
  /// Whether it rises to the peak first as all do; null for yes. Others see to
  /// their warm-up themselves.
  bool (*warms)(const Settings &) = nullptr;
  Expression (*rate)(const Settings &, const ScheduleMoment &) = nullptr;
};

llvm::ArrayRef<Family> families();
llvm::ArrayRef<Objective> objectives();
llvm::ArrayRef<Optimizer> optimizers();
llvm::ArrayRef<Schedule> schedules();

/// The entry of that name, or null.
template <typename Entry>
const Entry *findEntry(llvm::ArrayRef<Entry> entries, llvm::StringRef name) {
  for (const Entry &entry : entries)
    if (entry.name == name)
      return &entry;
  return nullptr;
}

} // namespace trainc::models

#endif // TRAINC_MODELS_REGISTRY_H
