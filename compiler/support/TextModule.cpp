//===- TextModule.cpp - modules that a person wrote -----------------------===//

#include "compiler/support/TextModule.h"

#include "compiler/support/TextScan.h"

#include "dialects/nn/Nn.h"
#include "dialects/plan/Plan.h"
#include "dialects/train/Train.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <optional>

using namespace mlir;

namespace trainc {
namespace {

constexpr int64_t kMaxTextBytes = int64_t(1) << 28;
/// Of one tensor and of all together: what address spaces hold, so that no sum
/// of sizes overflows in any stage.
constexpr int64_t kMaxTensorBytes = int64_t(1) << 43;
constexpr int64_t kMaxModuleBytes = int64_t(1) << 50;
/// As a plan has them.
constexpr int64_t kMaxRank = 8;

//===----------------------------------------------------------------------===//
// Attributes of the module
//===----------------------------------------------------------------------===//

struct IntegerRule {
  StringRef name;
  int64_t least, most;
};
constexpr int64_t kMaxBatch = 1 << 20;
constexpr IntegerRule kIntegers[] = {
    {"train.sequences", 1, kMaxBatch},
    {"train.length", 1, kMaxBatch},
    {"train.micro_batches", 1, kMaxBatch},
    {"train.seed", 0, INT64_MAX},
    {"train.total_steps", 0, int64_t(1) << 62},
    {"train.ramp_from", 0, kMaxBatch},
    {"train.ramp_tokens", 0, int64_t(1) << 60},
    {"train.ignore_index", INT32_MIN, INT32_MAX},
    {"train.vocab_size", 0, INT32_MAX},
    {"train.memory_budget_bytes", 1, INT64_MAX}};
constexpr StringRef kTexts[] = {"train.name", "train.recipe", "train.objective",
                                "train.external_prefix", "train.compute"};

LogicalResult checkInteger(ModuleOp module, const IntegerRule &rule) {
  Attribute attribute = module->getAttr(rule.name);
  if (!attribute)
    return success();
  auto integer = dyn_cast<IntegerAttr>(attribute);
  if (!integer || !integer.getType().isSignlessInteger(64))
    return module.emitError()
           << "expected " << rule.name << " to be an integer of type i64, but "
           << "got " << attribute;
  if (integer.getInt() < rule.least || integer.getInt() > rule.most)
    return module.emitError()
           << "expected " << rule.name << " from " << rule.least << " to "
           << rule.most << ", but got " << integer.getInt();
  return success();
}

LogicalResult checkAttributes(ModuleOp module) {
  for (const IntegerRule &rule : kIntegers)
    if (failed(checkInteger(module, rule)))
      return failure();
  for (StringRef name : kTexts)
    if (Attribute attribute = module->getAttr(name);
        attribute && !isa<StringAttr>(attribute))
      return module.emitError()
             << "expected " << name << " to be a string, but got " << attribute;
  constexpr StringRef kShare = "train.counted_share";
  if (Attribute attribute = module->getAttr(kShare)) {
    auto share = dyn_cast<FloatAttr>(attribute);
    if (!share || !share.getType().isF64() ||
        !(share.getValueAsDouble() > 0 && share.getValueAsDouble() <= 1))
      return module.emitError()
             << "expected " << kShare << " to be of type f64, above 0 and at "
             << "most 1, but got " << attribute;
  }
  constexpr StringRef kBuffers = "train.ignored_buffers";
  Attribute buffers = module->getAttr(kBuffers);
  auto list = dyn_cast_or_null<ArrayAttr>(buffers);
  if (buffers && (!list || !llvm::all_of(list, llvm::IsaPred<StringAttr>)))
    return module.emitError()
           << "expected " << kBuffers << " to be an array of strings, but got "
           << buffers;
  return success();
}

//===----------------------------------------------------------------------===//
// Operations and their tensors
//===----------------------------------------------------------------------===//

class SizeChecker {
public:
  /// Proves a tensor possible; what it takes is added to the module's.
  LogicalResult check(Type type, Location location) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      return success();
    const Type element = tensor.getElementType();
    std::optional<int64_t> size_bytes = 8;
    if (element.isIntOrFloat())
      size_bytes = llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
    for (int64_t extent : tensor.getShape()) {
      if (extent <= 0)
        return emitError(location)
               << "expected tensors of known extents from 1, but got "
               << tensor;
      size_bytes =
          size_bytes ? llvm::checkedMul(*size_bytes, extent) : std::nullopt;
    }
    if (tensor.getRank() > kMaxRank)
      return emitError(location) << "expected tensors of at most " << kMaxRank
                                 << " dimensions, but got " << tensor;
    if (!size_bytes || *size_bytes > kMaxTensorBytes)
      return emitError(location)
             << "expected tensors of at most " << kMaxTensorBytes
             << " bytes, but got " << tensor;
    total_bytes_ += *size_bytes;
    if (total_bytes_ > kMaxModuleBytes)
      return emitError(location)
             << "expected tensors of at most " << kMaxModuleBytes
             << " bytes in all operations, but got more up to here";
    return success();
  }

private:
  int64_t total_bytes_ = 0;
};

/// A deviation that was forgotten is 0, with which nothing can learn.
LogicalResult checkStart(train::ParameterOp parameter) {
  if (parameter.getInit() == train::InitKind::Constant ||
      parameter.getScale().convertToDouble() > 0)
    return success();
  return parameter.emitError()
         << "expected a scale above 0 for the start values of '"
         << parameter.getExternalName() << "', such as {scale = 0.02}, but got "
         << parameter.getScale().convertToDouble();
}

LogicalResult checkStarts(ModuleOp module) {
  for (auto parameter : module.getOps<train::ParameterOp>())
    if (failed(checkStart(parameter)))
      return failure();
  return success();
}

LogicalResult checkOperations(ModuleOp module) {
  SizeChecker sizes;
  WalkResult result = module.walk([&](Operation *op) {
    // Later stages' operations would meet the passes before those.
    if (op != module &&
        !isa_and_present<nn::NNDialect, train::TrainDialect, plan::PlanDialect>(
            op->getDialect())) {
      op->emitError() << "expected operations of nn, train and plan in a "
                         "module, but got "
                      << op->getName();
      return WalkResult::interrupt();
    }
    auto check = [&](Type type, Location location) {
      return failed(sizes.check(type, location));
    };
    for (Type type : op->getResultTypes())
      if (check(type, op->getLoc()))
        return WalkResult::interrupt();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          if (check(argument.getType(), argument.getLoc()))
            return WalkResult::interrupt();
    for (NamedAttribute attribute : op->getAttrs())
      if (auto type = dyn_cast<TypeAttr>(attribute.getValue()))
        if (check(type.getValue(), op->getLoc()))
          return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

} // namespace

/// What MLIR's parser and its generic verifiers say, as our errors say it.
static std::string inOurWords(StringRef message) {
  auto [before, rest] = message.split("custom op '");
  if (before.empty() && rest.ends_with("' is unknown"))
    return ("expected an operation of nn, train or plan, but got '" +
            rest.drop_back(strlen(" is unknown")))
        .str();
  auto [op, attribute] = message.split(" op requires attribute ");
  if (!attribute.empty())
    return (op + " op expected the attribute " + attribute + ", but got none")
        .str();
  return ("expected a module in MLIR's text form, but got an error: " + message)
      .str();
}

OwningOpRef<ModuleOp> parseTextModule(MLIRContext &context, StringRef text,
                                      StringRef path) {
  auto error = [&](unsigned line = 1, unsigned column = 1) {
    return emitError(FileLineColLoc::get(&context, path, line, column));
  };
  if (static_cast<int64_t>(text.size()) > kMaxTextBytes) {
    error() << "expected a module of at most " << kMaxTextBytes
            << " bytes, but got " << text.size();
    return {};
  }
  // Binary forms are read with less care than text.
  if (text.contains('\0') || text.starts_with("ML\xefR")) {
    error() << "expected a module in MLIR's text form, but got a binary file";
    return {};
  }
  if (std::optional<TextFinding> finding = scanText(text)) {
    error(finding->line, finding->column) << finding->message;
    return {};
  }
  // Sizes are proved before the verifiers compute with them. MLIR's lexer finds
  // the end of a text by the NUL behind it, which a StringRef need not have.
  ScopedDiagnosticHandler words(&context, [](Diagnostic &diagnostic) {
    const std::string message = diagnostic.str();
    if (diagnostic.getSeverity() != DiagnosticSeverity::Error ||
        StringRef(message).contains("but got"))
      return failure(); // the next handler's
    InFlightDiagnostic own = emitError(diagnostic.getLocation());
    own << inOurWords(message);
    for (Diagnostic &note : diagnostic.getNotes())
      own.attachNote(note.getLocation()) << note.str();
    return success();
  });
  ParserConfig config(&context, /*verifyAfterParse=*/false);
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(text.str(), config, path);
  if (!module || failed(checkAttributes(*module)) ||
      failed(checkOperations(*module)) || failed(verify(*module)) ||
      failed(checkStarts(*module)))
    return {};
  return module;
}

OwningOpRef<ModuleOp> loadTextModule(MLIRContext &context, StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer) {
    emitError(FileLineColLoc::get(&context, path, 1, 1))
        << "expected a module to read, but got \""
        << buffer.getError().message() << "\"";
    return {};
  }
  OwningOpRef<ModuleOp> module =
      parseTextModule(context, (*buffer)->getBuffer(), path);
  if (!module)
    return {};
  // The plan tells what it was compiled from, as it does of a recipe.
  Builder builder(&context);
  if (!(*module)->hasAttr("train.name"))
    (*module)->setAttr("train.name",
                       builder.getStringAttr(llvm::sys::path::stem(path)));
  if (!(*module)->hasAttr("train.recipe"))
    (*module)->setAttr("train.recipe",
                       builder.getStringAttr((*buffer)->getBuffer()));
  return module;
}

} // namespace trainc
