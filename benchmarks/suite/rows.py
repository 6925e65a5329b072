"""Which kernels are measured, at which shapes, and what each must at least do.

A row says what is computed, never which kernels do it: a `spec` that our worker
(suite/ours.py) turns into a module and PyTorch's (peers/torch_worker.py) into
tensors, and the operations and bytes that nobody can avoid. Operations count as
two per multiply-add; bytes are those of every operand and result, once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    group: str
    name: str
    spec: dict
    flops: float
    bytes: float
    unit: str = "ms"  # or "GFLOP/s", "GB/s"
    read: float = 0  # of the bytes, those of passes that write nothing
    narrow: bool = False  # factors of products are bfloat16

    @property
    def label(self):
        """What is computed, without sizes."""
        return self.name.split("  ")[0]

    @property
    def sweeps(self):
        """Whether it is nothing but a sweep of memory, whose speed varies from minute to
        minute on a machine that is shared: its limit is measured in turns with it."""
        return self.unit == "GB/s" and self.bytes > 5e8


@dataclass(frozen=True)
class Shapes:
    """Of GPT-2 124M at 4 x 256 tokens, or small and odd ones to test the benchmark."""

    rows: int = 1024
    hidden: int = 768
    inner: int = 3072
    vocabulary: int = 50257
    attention: tuple = ((4, 256, 12, 64), (1, 1024, 12, 64))  # B, T, H, D
    layers: int = 4  # linear layers, of those that gemm() lists
    recipe: str = "gpt2-124m.toml"
    recipe_sets: tuple = ("batch.length=256",)

    @classmethod
    def tiny(cls):
        return cls(rows=33, hidden=24, inner=40, vocabulary=101, attention=((2, 19, 3, 8),),
                   layers=1, recipe="tiny.toml", recipe_sets=())


def matmul(group, name, m, n, k, transpose_lhs=False, transpose_rhs=False, epilogue=None,
           narrow=False):
    spec = {"kind": "matmul", "m": m, "n": n, "k": k, "transpose_lhs": transpose_lhs,
            "transpose_rhs": transpose_rhs, "epilogue": epilogue, "narrow": narrow}
    shape = f"{m}x{n}x{k} {'nt'[transpose_lhs]}{'nt'[transpose_rhs]}"
    factor = 2.0 if narrow else 4.0
    # PyTorch rounds results to 16 bits, ours are in f32: the smaller bytes count.
    return Row(group, f"{name}  {shape}", spec, 2.0 * m * n * k, factor * (m * k + k * n + m * n),
               unit="GFLOP/s", narrow=narrow)


def gemm(shapes):
    """Forward, input gradient and weight gradient of every linear layer. Weights are
    [in, out], the tied head's [vocabulary, hidden]."""
    m, c, f, v = shapes.rows, shapes.hidden, shapes.inner, shapes.vocabulary
    layers = (("qkv", c, 3 * c), ("attention output", c, c), ("ffn up", c, f), ("ffn down", f, c))
    for narrow in (False, True):
        p = "bfloat16 " if narrow else ""
        for name, n_in, n_out in layers[:shapes.layers]:
            yield matmul("gemm", f"{p}{name} forward", m, n_out, n_in, narrow=narrow)
            yield matmul("gemm", f"{p}{name} dX", m, n_in, n_out, transpose_rhs=True, narrow=narrow)
            yield matmul("gemm", f"{p}{name} dW", n_in, n_out, m, transpose_lhs=True, narrow=narrow)
        yield matmul("gemm", f"{p}head forward", m, v, c, transpose_rhs=True, narrow=narrow)
        yield matmul("gemm", f"{p}head dX", m, c, v, narrow=narrow)
        yield matmul("gemm", f"{p}head dW", v, c, m, transpose_lhs=True, narrow=narrow)
        yield matmul("gemm", f"{p}ffn up + bias + GELU", m, f, c, epilogue="bias_gelu",
                     narrow=narrow)


def attention(shapes):
    """Causal. Forward is two products over the visible half, backward four more;
    what a flash backward computes again is its own affair."""
    for b, t, h, d in shapes.attention:
        product = 1.0 * b * h * d * t * (t + 1)
        size = 4.0 * b * t * h * d
        spec = {"kind": "attention", "shape": [b, t, h, d]}
        shape = f"{b}x{t}x{h}x{d}"
        yield Row("attention", f"forward  {shape}", {**spec, "backward": False}, 2 * product,
                  4 * size)
        yield Row("attention", f"forward + backward  {shape}", {**spec, "backward": True},
                  6 * product, 8 * size)


def vocabulary(shapes):
    """Projection, softmax, loss, and gradients of both operands."""
    m, c, v = shapes.rows, shapes.hidden, shapes.vocabulary
    yield Row("vocabulary", f"projection + cross-entropy, forward + backward  {m}x{v}x{c}",
              {"kind": "vocabulary", "m": m, "v": v, "c": c}, 6.0 * m * v * c,
              8.0 * (m * c + v * c))
    # As masked language models have it; the others' gradients are zeros.
    counted = max(round(0.15 * m), 1)
    yield Row("vocabulary", f"the same, {counted} rows counted  {m}x{v}x{c}",
              {"kind": "vocabulary", "m": m, "v": v, "c": c, "counted": counted},
              6.0 * counted * v * c, 8.0 * (m * c + v * c))


def norm(shapes):
    m, c = shapes.rows, shapes.hidden
    size = 4.0 * m * c
    for residual in (False, True):
        spec = {"kind": "norm", "m": m, "c": c, "residual": residual}
        name = "residual + layer norm" if residual else "layer norm"
        # Forward reads x (and r), writes y (and x + r); backward reads those it
        # needs and the gradients of all that was written, and writes its own.
        yield Row("norm", f"{name} forward  {m}x{c}", {**spec, "backward": False}, 0,
                  size * (4 if residual else 2))
        yield Row("norm", f"{name} forward + backward  {m}x{c}", {**spec, "backward": True}, 0,
                  size * (8 if residual else 5))


@dataclass(frozen=True)
class Rule:
    """A row of `optimizer`: `read` words per parameter in passes that write nothing, `swept` in
    the pass that writes; `keys` of [optimizer]; `compute` of [precision]."""

    name: str
    read: int
    swept: int
    keys: str
    compute: str = "float32"


ADAMW = 'name = "adamw"\nbeta2 = 0.95\nweight_decay = 0.1'
CLIPPED = ADAMW + "\nclip_norm = 1.0"
# A new rule is a line here, and one in peers/torch_rules.py; test/parity holds them to each other.
UPDATES = (
    Rule("SGD", 0, 3, 'name = "sgd"'),
    Rule("momentum", 0, 5, 'name = "momentum"'),
    Rule("Nesterov", 0, 5, 'name = "momentum"\nnesterov = true'),
    Rule("Adam", 0, 7, 'name = "adam"\nbeta2 = 0.95'),
    Rule("AdamW", 0, 7, ADAMW),
    Rule("AdamW, fairseq's epsilon", 0, 7, ADAMW + "\ncorrect_epsilon = false"),
    Rule("AdamW + clipping", 0, 7, CLIPPED),
    Rule("AdamW + bfloat16 copies", 0, 7, ADAMW, "bfloat16"),
    Rule("AdamW + clipping + bfloat16 copies", 0, 7, CLIPPED, "bfloat16"),
    Rule("AdamW + float16 copies", 0, 7, ADAMW, "float16"),
    Rule("BERT's Adam", 0, 7, 'name = "bert_adam"'),
    Rule("Lion", 0, 5, 'name = "lion"\nweight_decay = 0.1'),
    # docs/decisions/adafactor.md says which passes there are.
    Rule("AdaFactor", 3, 3, 'name = "adafactor"'),
    Rule("AdaFactor + momentum", 3, 5, 'name = "adafactor"\nbeta1 = 0.9'),
    Rule("AdaFactor, no clipping", 2, 3, 'name = "adafactor"\nclip_threshold = 0'),
    Rule("AdaFactor, a rate of its own", 2, 3,
         'name = "adafactor"\nrelative_step = false\nscale_parameter = false'),
)
MUON = Rule("Muon", 0, 5, 'name = "muon"\nweight_decay = 0.1')
RATE = 6e-4


def optimizer(shapes):
    """The program `apply` of the recipe with each rule. Reads w, g and the states, writes
    w and the states. Squares for the norm are summed where gradients are written, in
    another program, which is part of the step's row. The peer reads its gradients for
    them. Then `refresh`, which makes all copies in 16 bits, and Muon."""
    for rule in UPDATES:
        spec = update_spec(shapes, rule)
        words = 4.0 * parameter_count(spec)
        copied = 2.0 * copied_count(spec) if rule.compute != "float32" else 0.0
        yield Row("optimizer", f"{rule.name}  {millions(parameter_count(spec))} parameters", spec, 0,
                  (rule.read + rule.swept) * words + copied, unit="GB/s", read=rule.read * words)
    for compute in ("bfloat16", "float16"):
        spec = update_spec(shapes, Rule(f"refresh in {compute}", 1, 0, ADAMW, compute))
        spec["program"] = "refresh"
        yield Row("optimizer", f"{spec['name']}  {millions(copied_count(spec))} parameters", spec, 0,
                  6.0 * copied_count(spec), unit="GB/s")
    yield muon(shapes)


def muon(shapes):
    """Of a few layers, as a step of all takes a dozen seconds and layers do not differ: one
    matrix after another, of each three products in each of five steps. AdamW's part, the
    tables of tokens and positions, is in the bytes alone."""
    layers = min(2, parameter_shapes({"recipe": shapes.recipe})[3])
    spec = update_spec(shapes, MUON)
    spec["layers"] = layers
    spec["sets"].append(f"model.num_layers={layers}")
    flops = 0.0
    for rows, columns in hidden_matrices(spec):
        side, length = min(rows, columns), max(rows, columns)
        flops += 5 * (2.0 * side * side * length + 2.0 * side**3 + 2.0 * side * side * length)
    hidden = sum(rows * columns for rows, columns in hidden_matrices(spec))
    size = 20.0 * hidden + 28.0 * (parameter_count(spec) - hidden)
    return Row("optimizer", f"Muon  matrices of {layers} layers, {millions(hidden)} parameters", spec,
               flops, size, unit="GFLOP/s")


def update_spec(shapes, rule):
    sets = list(shapes.recipe_sets)
    if rule.compute != "float32":
        sets.append(f"precision.compute={rule.compute}")
    return {"kind": "optimizer", "recipe": shapes.recipe, "sets": sets, "name": rule.name,
            "compute": rule.compute, "program": "apply", "optimizer": f"learning_rate = {RATE}\n{rule.keys}"}


def parameter_shapes(spec):
    """Arguments of gpt2_torch.shapes for a spec's recipe."""
    *sizes, layers = (96, 16, 32, 2) if spec["recipe"] == "tiny.toml" else (50257, 1024, 768, 12)
    return (*sizes, spec.get("layers", layers))


def parameter_count(spec):
    vocabulary_size, positions, c, layers = parameter_shapes(spec)
    return (vocabulary_size + positions) * c + layers * (12 * c * c + 13 * c) + 2 * c


def hidden_matrices(spec):
    """Rows and columns of each matrix that is no table."""
    _, _, c, layers = parameter_shapes(spec)
    return layers * [(c, 3 * c), (c, c), (c, 4 * c), (4 * c, c)]


def copied_count(spec):
    """Elements that programs read in 16 bits: operands of products, and the table of tokens."""
    vocabulary_size, _, c, _ = parameter_shapes(spec)
    return vocabulary_size * c + sum(rows * columns for rows, columns in hidden_matrices(spec))


def millions(count):
    return f"{count / 1e6:.1f}M"


GROUPS = {"gemm": gemm, "attention": attention, "vocabulary": vocabulary, "norm": norm,
          "optimizer": optimizer}
