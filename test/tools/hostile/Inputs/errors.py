"""Runs commands on broken input and compares what they say with errors.txt.

    errors.py --tools FOLDER --recipe TINY.toml --work FOLDER [--update]

A case is a name and a command; errors.txt has its exit status and its words, in which HASH is any hash and HERE this
machine. --update writes errors.txt anew, to be read before it is committed.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import struct
import subprocess
import sys

EXPECTED = pathlib.Path(__file__).with_name("errors.txt")
MEMORY_KIBIBYTES = 1 << 20  # compiling the honest plan takes a quarter of it
SECONDS = 60


def safetensors(tensors, metadata=None):
    """Bytes of a file; tensors: {name: (dtype, shape, bytes)}."""
    header, data = {"__metadata__": metadata or {"format": "pt"}}, b""
    for name, (dtype, shape, payload) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(payload)]}
        data += payload
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tokens(ids, dtype="U16"):
    form = {"U16": "H", "U32": "I", "I64": "q"}[dtype]
    return safetensors({"tokens": (dtype, [len(ids)], struct.pack(f"<{len(ids)}{form}", *ids))})


def read_tensors(data):
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    return {name: (entry["dtype"], entry["shape"], data[8 + size:][slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def rehashed(plan):
    """The plan with its content hash made right: FNV-1a 64 with the field's bytes zero."""
    def fnv(data):
        value = 0xcbf29ce484222325
        for byte in data:
            value = (value ^ byte) * 0x100000001b3 & 0xffffffffffffffff
        return value
    # Root table -> vtable -> field 13.
    root = struct.unpack_from("<I", plan, 0)[0]
    vtable = root - struct.unpack_from("<i", plan, root)[0]
    at = root + struct.unpack_from("<H", plan, vtable + 4 + 2 * 13)[0]
    plan = bytearray(plan)
    plan[at:at + 8] = bytes(8)
    plan[at:at + 8] = struct.pack("<Q", fnv(plan))
    return bytes(plan)


class Cases:
    def __init__(self, tools, recipe, work):
        self.tools, self.dir = tools, work
        self.recipe = recipe.read_text()
        self.list = []  # (name, command)
        work.mkdir(parents=True)
        (work / "tiny.toml").write_text(self.recipe)
        self.good("trainc", "compile", "tiny.toml", "-o", "tiny.plan")
        self.good("trainc", "compile", "tiny.toml", "--stop-after", "recipe", "-o", "tiny.mlir")
        self.module = (work / "tiny.mlir").read_text()
        self.plan = (work / "tiny.plan").read_bytes()
        self.file("tokens", tokens([i * 7 % 96 for i in range(400)]))
        self.good("trainrun", "train", "tiny.plan", "--data", "tokens", "--out", "run", "--steps", "2",
                  "--checkpoint-every", "1")
        self.weights = read_tensors((work / "run/checkpoint-2/model.safetensors").read_bytes())

    def good(self, *command):
        subprocess.run([self.tools / command[0], *command[1:]], cwd=self.dir, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def file(self, name, content):
        path = self.dir / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    def case(self, name, *command):
        self.list.append((name, command))

    # Recipes

    def recipe_case(self, name, old, new):
        assert self.recipe.count(old) == 1, old
        self.compile_case(name, self.recipe.replace(old, new), "toml")

    def compile_case(self, name, content, extension, *options):
        path = self.file(f"{name.replace(' ', '-')}.{extension}", content)
        self.case(name, "trainc", "compile", path, *options, "-o", "output")

    def recipes(self):
        case = self.recipe_case
        case("recipe unknown key", "hidden_size = 32", "hiden_size = 32")
        case("recipe unknown section", "[schedule]", "[shedule]")
        case("recipe key of another name", "beta1 = 0.9\n", "momentum = 0.9\n")
        case("recipe wrong type", "num_layers = 2", 'num_layers = "2"')
        case("recipe number for a flag", "dropout = 0.0", "tie_embeddings = 1")
        case("recipe float for an integer", "length = 16", "length = 16.5")
        case("recipe unknown family", 'family = "gpt2"', 'family = "gpt4"')
        case("recipe unknown optimizer", 'name = "adamw"', 'name = "adanw"')
        case("recipe negative size", "num_layers = 2", "num_layers = -2")
        case("recipe huge size", "vocab_size = 96", "vocab_size = 99999999999999")
        case("recipe beyond 64 bits", "seed = 1", "seed = 99999999999999999999")
        case("recipe indivisible heads", "num_heads = 2", "num_heads = 3")
        case("recipe length beyond positions", "length = 16", "length = 17")
        case("recipe infinite rate", "learning_rate = 1e-3", "learning_rate = inf")
        case("recipe warm-up beyond the total", "warmup_steps = 10", "warmup_steps = 101")
        case("recipe token beyond the vocabulary", "[run]", "[tokens]\neos = 96\n[run]")
        case("recipe lacks a key", 'learning_rate = 1e-3\n', "")
        case("recipe frozen by a bad pattern", "dropout = 0.0", 'trainable = ["[["]')
        case("recipe budget without a unit", "[run]", '[memory]\nbudget = "much"\n[run]')
        case("recipe beyond its budget", "[run]", '[memory]\nbudget = "64KiB"\n[run]')
        case("recipe section twice", "[run]", "[model]\n[run]")
        self.compile_case("recipe cut short", self.recipe[:100], "toml")
        self.compile_case("recipe of bytes", bytes(range(256)), "toml")
        self.compile_case("recipe nested without end", "a = " + "[" * 100000, "toml")
        self.compile_case("recipe override", self.recipe, "toml", "--set", "model.num_layer=3")
        self.case("recipe missing", "trainc", "compile", "none.toml", "-o", "output")

    # Text modules

    def module_case(self, name, old, new):
        assert old in self.module, old
        self.compile_case(name, self.module.replace(old, new), "mlir")

    def modules(self):
        case = self.module_case
        case("module huge tensor", "96x32", "99999999999999x32")
        case("module empty tensor", "96x32", "0x32")
        case("module unknown extent", "96x32", "?x32")
        case("module attribute of another type", "train.micro_batches = 1 : i64", 'train.micro_batches = "1"')
        case("module attribute out of range", "train.sequences = 2", "train.sequences = -2")
        case("module ignored buffers", '[".attn.bias"', "[7 : i64")
        case("module counted share above one", "train.sequences = 2",
             "train.counted_share = 1.5 : f64, train.sequences = 2")
        case("module unknown symbol", "train.read @transformer.wte.weight", "train.read @nothing")
        case("module equal external names", 'external_name = "transformer.wpe.weight"',
             'external_name = "transformer.wte.weight"')
        case("module wrong epsilon", "epsilon = 1.000000e-05", "epsilon = -1.0")
        case("module value of another region", "} element {", "  train.yield %theta : tensor<f32>\n} element {")
        self.compile_case("module without a step", "module {}", "mlir")
        self.compile_case("module of other operations", "module { module {} }", "mlir")
        self.compile_case("module nested without end", "module attributes {a = " + "[" * 100000, "mlir")
        self.compile_case("module in binary", b"ML\xefR" + bytes(64), "mlir")
        self.compile_case("module cut short", self.module[:5000], "mlir")
        self.case("module missing", "trainc", "compile", "none.mlir", "-o", "output")

    # Models of one's own in a recipe

    PHI = """module {
  train.parameter @table normal : tensor<96x8xf32> {external_name = "table", scale = 0.1}
  train.step @phi ["inputs"] {
  ^bb0(%ids: tensor<2x16xi32>):
    %w = train.read @table : tensor<96x8xf32>
    %x = nn.embedding %w, %ids : tensor<96x8xf32>, tensor<2x16xi32> -> tensor<2x16x8xf32>
    %y = nn.tanh %x : tensor<2x16x8xf32>
    train.output "hidden_states" %y : tensor<2x16x8xf32>
  }
}
"""

    def model_case(self, name, *changes, key='token_table = "table"'):
        text, file = self.PHI, f"{name.replace(' ', '-')}-phi.mlir"
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (self.dir / file).write_text(text)
        model = re.search(r"\[model\].*?\n\n", self.recipe, re.DOTALL).group(0)
        self.compile_case(name, self.recipe.replace(
            model, f'[model]\nmodule = "{file}"\nvocab_size = 96\n{key}\n\n'), "toml")

    def own_models(self):
        case = self.model_case
        step, rest = self.PHI[self.PHI.index("  train.step"):-2], 'train.output "hidden_states" %y : tensor<2x16x8xf32>'
        case("own model of another batch", ("%ids: tensor<2x16xi32>", "%ids: tensor<4x16xi32>"),
             ("tensor<96x8xf32>, tensor<2x16xi32> -> tensor<2x16x8xf32>",
              "tensor<96x8xf32>, tensor<4x16xi32> -> tensor<4x16x8xf32>"),
             ("nn.tanh %x : tensor<2x16x8xf32>", "nn.tanh %x : tensor<4x16x8xf32>"),
             (rest, rest.replace("2x16", "4x16")))
        case("own model of floats", ("%ids: tensor<2x16xi32>", "%ids: tensor<2x16xf32>"))
        case("own model with another input", ('["inputs"]', '["tokens"]'))
        case("own model of rows", (rest, "%z = nn.reshape %y : tensor<2x16x8xf32> -> tensor<32x8xf32>\n"
                                         '    train.output "hidden_states" %z : tensor<32x8xf32>'))
        case("own model without an output", (rest, ""))
        case("own model with another output", ("hidden_states", "hidden"))
        case("own model with a loss", (rest, "train.gradient\n    " + rest))
        case("own model twice", (step, step + step.replace("@phi", "@psi")))
        case("own model without a step", (step, ""))
        case("own model with a state", ("  train.step", "  train.state @s metric : tensor<f64>\n  train.step"))
        case("own model without a deviation", (", scale = 0.1", ""))
        case("own model without a start", ("@table normal :", "@table :"))
        case("own model without a name", ('external_name = "table", ', ""))
        case("own model of an unknown operation", ("nn.tanh", "nn.tank"))
        case("own model of another dialect", ("nn.tanh %x : tensor<2x16x8xf32>",
                                              "math.tanh %x : tensor<2x16x8xf32>"))
        case("own model of wrong types", ("nn.tanh %x : tensor<2x16x8xf32>", "nn.tanh %x : tensor<2x8x16xf32>"))
        case("own model without a derivative", ("nn.tanh %x : tensor<2x16x8xf32>",
                                                "nn.gelu_grad tanh %x, %x : tensor<2x16x8xf32>"))
        case("own model with an unused parameter", ("  train.step", "  train.parameter @other constant : tensor<8xf32> "
                                                                    '{external_name = "other"}\n  train.step'))
        case("own model of computed ids", ("%x = nn.embedding %w, %ids",
                                           "%two = nn.add %ids, %ids : tensor<2x16xi32>\n    "
                                           "%x = nn.embedding %w, %two"))
        case("own model with an id too large", ("%x = nn.embedding %w, %ids",
                                                "%two = nn.constant dense<96> : tensor<2x16xi32>\n    "
                                                "%x = nn.embedding %w, %two"))
        case("own model with another table", key='token_table = "tables"')
        case("own model with a table of another size", ("tensor<96x8xf32> {", "tensor<95x8xf32> {"),
             ("@table : tensor<96x8xf32>", "@table : tensor<95x8xf32>"),
             ("%ids : tensor<96x8xf32>", "%ids : tensor<95x8xf32>"))
        case("own model and a family", key='family = "gpt2"')
        case("own model with a key of a family", key="num_layers = 2")
        self.compile_case("own model missing", self.recipe.replace('family = "gpt2"', 'module = "none.mlir"').replace(
            self.recipe[self.recipe.index("max_positions"):self.recipe.index("[objective]")], "\n"), "toml")

    # Examples of one's own

    def example_files(self):
        mlp = (pathlib.Path(__file__).parents[4] / "docs/examples/mlp.mlir").read_text()
        self.file("mlp.mlir", mlp)
        self.good("trainc", "compile", "mlp.mlir", "-o", "mlp.plan")
        xs, labels = struct.pack("<64f", *[i / 64 for i in range(64)]), [i % 3 for i in range(32)]

        def case(name, x=("F32", [32, 2], xs), ids=("I32", [32], struct.pack("<32i", *labels)), command="train"):
            tensors = {key: value for key, value in (("x", x), ("labels", ids)) if value}
            path = self.file(name.replace(" ", "-"), safetensors(tensors))
            self.case(name, "trainrun", "train", "mlp.plan", "--data", path, "--out", "output/run")
        case("examples without labels", ids=None)
        case("examples of another width", x=("F32", [16, 4], xs))
        case("examples of text", x=("U8", [32, 2], bytes(64)))
        case("examples of unequal numbers", ids=("I32", [31], struct.pack("<31i", *labels[:31])))
        case("examples not a number", x=("F32", [32, 2], xs[:20] + struct.pack("<f", float("nan")) + xs[24:]))
        case("examples beyond the classes", ids=("I64", [32], struct.pack("<32q", *labels[:31], 3)))
        case("examples far beyond the classes", ids=("I64", [32], struct.pack("<32q", *labels[:31], 1 << 32)))
        case("examples below the classes", ids=("I32", [32], struct.pack("<32i", *labels[:31], -2)))
        case("examples of none", x=("F32", [0, 2], b""), ids=("I32", [0], b""))
        self.case("examples that are tokens", "trainrun", "train", "mlp.plan", "--data", "tokens", "--out", "output/run")

    # Plans

    def plan_case(self, name, content):
        path = self.file(f"{name.replace(' ', '-')}.plan", content)
        self.case(name, "trainrun", "train", path, "--data", "tokens", "--out", "output/run")

    def plans(self):
        plan = self.plan
        self.plan_case("plan cut short", plan[:len(plan) // 2])
        self.plan_case("plan of a few bytes", plan[:9])
        self.plan_case("plan empty", b"")
        self.plan_case("plan that is text", self.recipe)
        altered = bytearray(plan)
        altered[len(plan) - 100] ^= 1
        self.plan_case("plan altered", bytes(altered))
        self.case("plan missing", "trainrun", "verify", "none.plan")
        features = re.findall(rb"\x00([a-z0-9.-]+)\x00", plan)
        avx = next(name for name in (b"avx2", b"avx") if name in features)
        at = plan.index(b"\0" + avx + b"\0") + 1
        self.plan_case("plan of another CPU", rehashed(plan[:at] + b"xyz9"[:len(avx)] + plan[at + len(avx):]))

    # Weights, data and tokenizers

    def weights_case(self, name, content):
        path = self.file(name.replace(" ", "-"), content)
        self.case(name, "trainrun", "predict", "tiny.plan", "--data", "tokens", "--weights", path, "-o", "output")

    def weight_files(self):
        first, name = "transformer.wte.weight", "transformer.wpe.weight"
        dtype, shape, data = self.weights[name]
        case = lambda text, **change: self.weights_case(text, safetensors({**self.weights, **change}))
        self.weights_case("weights missing", safetensors({k: v for k, v in self.weights.items() if k != name}))
        case("weights extra", other=("F32", [1], bytes(4)))
        case("weights misshapen", **{name: (dtype, shape[::-1], data)})
        case("weights of another type", **{name: ("I32", shape, data)})
        case("weights not a number", **{name: (dtype, shape, data[:8] + struct.pack("<f", float("nan")) + data[12:])})
        case("weights infinite", **{first: ("F32", self.weights[first][1],
                                            struct.pack("<f", float("-inf")) + self.weights[first][2][4:])})
        whole = safetensors(self.weights)
        self.weights_case("weights cut short", whole[:-10])
        self.weights_case("weights header cut short", whole[:100])
        self.weights_case("weights huge header", struct.pack("<Q", 1 << 62) + whole[8:])
        self.weights_case("weights nested header", struct.pack("<Q", 1 << 20) + b"[" * (1 << 20))
        self.weights_case("weights overflowing", struct.pack("<Q", 77) + (
            b'{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}' + b" " * 3))
        self.weights_case("weights empty", b"")
        (self.dir / "altered").mkdir()
        for part in ("model.safetensors", "optimizer.safetensors", "state.json"):
            self.file(f"altered/{part}", (self.dir / "run/checkpoint-2" / part).read_bytes())
        altered = bytearray((self.dir / "altered/model.safetensors").read_bytes())
        altered[-4] ^= 1
        self.file("altered/model.safetensors", bytes(altered))
        self.case("checkpoint altered", "trainrun", "predict", "tiny.plan", "--data", "tokens", "--weights", "altered",
                  "-o", "output")
        self.case("checkpoint folder empty", "trainrun", "predict", "tiny.plan", "--data", "tokens", "--weights",
                  ".", "-o", "output")

    def data_case(self, name, content):
        path = self.file(name.replace(" ", "-"), content)
        self.case(name, "trainrun", "train", "tiny.plan", "--data", path, "--out", "output/run")

    def data_files(self):
        self.data_case("tokens beyond the vocabulary", tokens([1, 2, 96] * 20))
        self.data_case("tokens far beyond", tokens([0, 4294967295] * 20, "U32"))
        self.data_case("tokens signed", tokens([1] * 40, "I64"))
        self.data_case("tokens too few", tokens([1] * 16))
        self.data_case("tokens under another name", safetensors({"token": ("U16", [1], bytes(2))}))
        self.data_case("tokens cut short", tokens([1] * 100)[:-1])
        self.case("tokens missing", "trainrun", "train", "tiny.plan", "--data", "none", "--out", "output/run")
        self.case("tokens in a folder", "trainrun", "train", "tiny.plan", "--data", "run", "--out", "output/run")
        os.mkfifo(self.dir / "pipe")
        self.case("tokens in a pipe", "trainrun", "train", "tiny.plan", "--data", "pipe", "--out", "output/run")
        self.file("text", b"In the beginning\n\xff\n")
        self.case("text not UTF-8", "trainrun", "tokenize", "--train", "300", "text", "-o", "output")
        self.case("tokenizer of bytes", "trainrun", "tokenize", "--model", "text", "text", "-o", "output")
        self.case("tokenizer missing", "trainrun", "generate", "tiny.plan", "--weights", "run", "--tokenizer", "none",
                  "--prompt", "In")
        self.case("tokenizer of another vocabulary", "trainrun", "generate", "tiny.plan", "--weights", "run",
                  "--tokenizer", "bytes", "--prompt", "\u00e4")

    # Running and judging

    def run(self, command):
        output = self.dir / "output"
        directory = any(part.startswith("output/") for part in command)
        if directory:
            output.mkdir()
        else:
            output.write_text("whole")
        before = sorted(str(path) for path in self.dir.rglob("*"))
        done = subprocess.run([self.tools / command[0], *command[1:]], cwd=self.dir, capture_output=True,
                              timeout=SECONDS)
        assert sorted(str(path) for path in self.dir.rglob("*")) == before, f"{command} left or took files"
        assert directory or output.read_text() == "whole", f"{command} changed its output"
        output.rmdir() if directory else output.unlink()
        # What the machine is called is its own affair.
        words = re.sub(r"'cpu:[^']*'", "'cpu:HERE'", done.stderr.decode(errors="replace"))
        words = re.sub(r"(content hash|but got) [0-9a-f]{16}(?![0-9a-f])", r"\1 HASH", words)
        return done.returncode, words.strip()


def load():
    expected = {}
    for block in EXPECTED.read_text().split("\n## ")[1:]:
        title, _, words = block.partition("\n")
        name, _, status = title.rpartition(": ")
        expected[name] = (int(status), words.strip())
    return expected


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tools", "recipe", "work"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    subprocess.run(["rm", "-rf", options.work], check=True)
    cases = Cases(options.tools.resolve(), options.recipe, options.work.absolute())
    for make in (cases.recipes, cases.modules, cases.own_models, cases.example_files, cases.plans, cases.weight_files,
                 cases.data_files):
        make()
    got = {name: cases.run(command) for name, command in cases.list}
    assert len(got) == len(cases.list), "two cases of one name"
    if options.update:
        text = "What errors.py expects: the case with its exit status, then its words.\n"
        for name, (status, words) in got.items():
            text += f"\n## {name}: {status}\n{words}\n"
        EXPECTED.write_text(text)
        return
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak < MEMORY_KIBIBYTES, f"a command took {peak} KiB"
    expected = load()
    wrong = [name for name in got.keys() | expected.keys() if got.get(name) != expected.get(name)]
    for name in sorted(wrong):
        print(f"{name}\n  expected: {expected.get(name)}\n  got:      {got.get(name)}")
    for name, (status, words) in got.items():
        assert status in (1, 2, 3) and words.startswith("error: "), f"{name}: {status} {words}"
    if wrong:
        sys.exit(f"{len(wrong)} cases differ; with --update they are written anew")
    print(f"{len(got)} errors: as they should be")


main()
