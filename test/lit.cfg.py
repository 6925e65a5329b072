# Rules of the lit tests: which files are tests, and what they may call.
import os

import lit.formats

config.name = "trainc"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unit"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.trainc_binary_root, "test")

tools = config.trainc_tools_dir
# Longer names first: lit replaces text, and %trainc begins %trainc-opt.
config.substitutions.append(("%trainc-opt", os.path.join(tools, "trainc-opt")))
config.substitutions.append(("%trainc", os.path.join(tools, "trainc")))
config.substitutions.append(("%trainrun", os.path.join(tools, "trainrun")))
config.substitutions.append(("%python", config.python))
config.substitutions.append(("%source_root", config.trainc_source_root))
config.substitutions.append(("%binary_root", config.trainc_binary_root))
config.substitutions.append(("%cmake", config.cmake))
config.substitutions.append(("%cxx", config.cxx))
config.substitutions.append(("%library_dir", config.trainc_library_dir))
config.substitutions.append(("%tools_dir", tools))

# FileCheck, not and count are called by name, as in LLVM's own tests.
config.environment["PATH"] = os.pathsep.join(
    [config.llvm_tools_dir, config.environment.get("PATH", "")]
)
config.environment["TRAINC_LIBRARY_DIR"] = config.trainc_library_dir
config.environment["TRAINC_TOOLS_DIR"] = tools

# Tests of a tool that was not built say `REQUIRES: trainc` or `REQUIRES: trainrun`.
for tool in ("trainc", "trainrun"):
    if os.path.exists(os.path.join(tools, tool)):
        config.available_features.add(tool)
