//===- ModelBuilder.cpp - where models put their IR -----------------------===//

#include "models/layers/ModelBuilder.h"

using namespace mlir;

namespace trainc::models {

ModelBuilder::ModelBuilder(ModuleOp module, llvm::StringRef family,
                           llvm::StringRef prefix)
    : module_(module), parameters_(module), builder_(module.getContext()),
      family_(family), prefix_(prefix) {}

ModelBuilder::Scope::Scope(ModelBuilder &builder, const llvm::Twine &name)
    : builder_(builder), length_(builder.path_.size()) {
  builder_.path_ += ("." + name).str();
}

Location ModelBuilder::loc() const {
  return NameLoc::get(
      StringAttr::get(builder_.getContext(), llvm::Twine(family_) + path_));
}

RankedTensorType ModelBuilder::floats(llvm::ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, builder_.getF32Type());
}

RankedTensorType ModelBuilder::ids(llvm::ArrayRef<int64_t> shape) {
  return RankedTensorType::get(shape, builder_.getI32Type());
}

Block *ModelBuilder::enter(Region &body, llvm::ArrayRef<Type> types) {
  Block &block = body.emplaceBlock();
  for (Type type : types)
    block.addArgument(type, loc());
  if (!firstProgram_)
    firstProgram_ = body.getParentOp();
  builder_.setInsertionPointToEnd(&block);
  return &block;
}

train::StepOp ModelBuilder::beginStep(int64_t sequences, int64_t length) {
  builder_.setInsertionPointToEnd(module_.getBody());
  step_ = train::StepOp::create(
      builder_, loc(), "step", builder_.getStrArrayAttr({"inputs", "targets"}));
  Type tokens = ids({sequences, length});
  enter(step_.getBody(), {tokens, tokens});
  noise_ = true;
  sequences_ = sequences;
  return step_;
}

plan::ProgramOp
ModelBuilder::beginProgram(llvm::StringRef name,
                           llvm::ArrayRef<llvm::StringRef> inputs,
                           llvm::ArrayRef<Type> types) {
  builder_.setInsertionPointToEnd(module_.getBody());
  auto program = plan::ProgramOp::create(builder_, loc(), name,
                                         builder_.getStrArrayAttr(inputs));
  enter(program.getBody(), types);
  noise_ = false;
  return program;
}

Value ModelBuilder::parameter(llvm::StringRef name,
                              llvm::ArrayRef<int64_t> shape, Init init) {
  std::string path = llvm::StringRef(path_).ltrim('.').str();
  if (!path.empty())
    path += ".";
  return namedParameter(prefix_ + path + name.str(), shape, init);
}

void ModelBuilder::markTable(Value parameter) {
  tables_.insert(parameter.getDefiningOp<train::ReadOp>().getSymbol());
}

Value ModelBuilder::namedParameter(llvm::StringRef externalName,
                                   llvm::ArrayRef<int64_t> shape, Init init) {
  RankedTensorType type = floats(shape);
  if (!parameters_.lookup(externalName)) {
    OpBuilder::InsertionGuard guard(builder_);
    builder_.setInsertionPoint(firstProgram_);
    parameters_.insert(train::ParameterOp::create(
        builder_, loc(), externalName, init.kind, type,
        llvm::APFloat(init.offset), llvm::APFloat(init.scale),
        /*decay=*/shape.size() > 1, /*weight_decay=*/FloatAttr(),
        /*rate_factor=*/llvm::APFloat(1.0), /*trainable=*/true,
        /*matrix=*/true, externalName));
  }
  Value &read = reads_[{builder_.getInsertionBlock(),
                        builder_.getStringAttr(externalName)}];
  if (!read)
    read = train::ReadOp::create(builder_, loc(), type, externalName);
  return read;
}

void ModelBuilder::adopt(train::ParameterOp parameter) {
  if (parameters_.lookup(parameter.getSymName()))
    return;
  OpBuilder::InsertionGuard guard(builder_);
  builder_.setInsertionPoint(firstProgram_);
  parameters_.insert(builder_.clone(*parameter));
}

Value ModelBuilder::dropout(Value input, double rate) {
  if (!noise_ || rate == 0)
    return input;
  Value noise = counters();
  return nn::DropoutOp::create(builder_, loc(), input, noise,
                               llvm::APFloat(rate), sequences_, nextStream());
}

Value ModelBuilder::counters() {
  llvm::SmallVector<llvm::StringRef> names(
      step_.getInputs().getAsValueRange<StringAttr>());
  Block &block = step_.getBody().front();
  for (auto [name, argument] : llvm::zip(names, block.getArguments()))
    if (name == train::kControlRandom)
      return argument;
  names.push_back(train::kControlRandom);
  step_.setInputsAttr(builder_.getStrArrayAttr(names));
  return block.addArgument(RankedTensorType::get({3}, builder_.getI64Type()),
                           step_.getLoc());
}

llvm::ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

Value reshape(ModelBuilder &model, Value value, llvm::ArrayRef<int64_t> shape) {
  auto type = cast<RankedTensorType>(value.getType()).clone(shape);
  if (type == value.getType())
    return value;
  return nn::ReshapeOp::create(model.builder(), model.loc(), type, value);
}

} // namespace trainc::models
