"""The update rules of suite/rows.py in PyTorch, each in every form that may be its fastest.

What torch.optim has is taken from there, with and without `foreach`. What it has not is
written as a person would: operation by operation in place, for each tensor and for all at
once; AdaFactor as the libraries have it, for each tensor. test/parity/update-rows.test holds
every form to our rule.
"""

import torch

from rows import RATE

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def forms(name, weights):
    """Functions that make one update of `weights` (name -> tensor) from their .grad."""
    if name.startswith("refresh in "):
        yield from refreshes(weights, DTYPES[name.split()[-1]])
        return
    rule, *more = name.split(" + ")
    if name in RULES:
        rule, more = name, []
    for make in RULES[rule]:
        update = make(weights)
        clipping = "clipping" in more
        copies = [Copies(weights, DTYPES[m.split()[0]]) for m in more if m.endswith(" copies")]
        yield chain([lambda: torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)] * clipping
                    + [update] + copies)


def chain(parts):
    if len(parts) == 1:
        return parts[0]

    def run():
        for part in parts:
            last = part()
        return last
    return run


# 16 bits.

def copied(weights):
    """What products and the embedding of tokens read."""
    return {n: w.detach() for n, w in weights.items() if w.dim() == 2 and not n.endswith("wpe.weight")}


class Copies:
    """Rounds into memory that it keeps; the copies of all."""

    def __init__(self, weights, dtype):
        self.weights = copied(weights)
        self.copies = {n: torch.empty_like(w, dtype=dtype) for n, w in self.weights.items()}

    def __call__(self):
        for name, weight in self.weights.items():
            self.copies[name].copy_(weight)
        return list(self.copies.values())


def refreshes(weights, dtype):
    wide = copied(weights).values()
    yield Copies(weights, dtype)
    yield lambda: [w.to(dtype) for w in wide]


# Rules of torch.optim.

def groups(weights, decay):
    """Matrices decay, vectors do not."""
    return [{"params": [w for w in weights.values() if w.dim() > 1], "weight_decay": decay},
            {"params": [w for w in weights.values() if w.dim() <= 1], "weight_decay": 0.0}]


def built_in(kind, decay=0.0, **options):
    return [lambda weights, foreach=foreach: kind(groups(weights, decay), lr=RATE, foreach=foreach,
                                                  **options).step for foreach in (False, True)]


# Rules of our own writing.

class Written:
    """`update` takes lists of tensors, and their decay; all at once, or one."""

    def __init__(self, weights, foreach):
        self.foreach, self.lists, self.t = foreach, [], 0
        for group in groups(weights, self.decay):
            params = [w.detach() for w in group["params"]]
            states = [[torch.zeros_like(w) for w in params] for _ in range(self.states)]
            self.lists.append((group["weight_decay"], params, [w.grad for w in group["params"]], *states))

    def __call__(self):
        self.t += 1
        for decay, *lists in self.lists:
            if self.foreach:
                self.update(decay, *lists)
            else:
                for tensors in zip(*lists):
                    self.update(decay, *([tensor] for tensor in tensors))


def written(kind):
    return [lambda weights, foreach=foreach: kind(weights, foreach) for foreach in (False, True)]


def average(m, v, g, beta1, beta2):
    """Adam's means of gradients and of their squares, in place."""
    torch._foreach_mul_(m, beta1)
    torch._foreach_add_(m, g, alpha=1 - beta1)
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, g, g, 1 - beta2)


class FairseqAdamW(Written):
    """Epsilon beside the root before its correction."""

    states, decay = 2, 0.1

    def update(self, decay, w, g, m, v):
        average(m, v, g, 0.9, 0.95)
        root = torch._foreach_sqrt(v)
        torch._foreach_add_(root, 1e-8)
        if decay:
            torch._foreach_mul_(w, 1 - RATE * decay)
        size = RATE * (1 - 0.95**self.t) ** 0.5 / (1 - 0.9**self.t)
        torch._foreach_addcdiv_(w, m, root, -size)


class BertAdam(Written):
    states, decay = 2, 0.01

    def update(self, decay, w, g, m, v):
        average(m, v, g, 0.9, 0.999)
        root = torch._foreach_sqrt(v)
        torch._foreach_add_(root, 1e-6)
        direction = torch._foreach_div(m, root)
        if decay:
            torch._foreach_add_(direction, w, alpha=decay)
        torch._foreach_add_(w, direction, alpha=-RATE)


class Lion(Written):
    states, decay = 1, 0.1

    def update(self, decay, w, g, m):
        direction = torch._foreach_mul(m, 0.9)
        torch._foreach_add_(direction, g, alpha=0.1)
        for tensor in direction:
            tensor.sign_()
        if decay:
            torch._foreach_mul_(w, 1 - RATE * decay)
        torch._foreach_add_(w, direction, alpha=-RATE)
        torch._foreach_mul_(m, 0.99)
        torch._foreach_add_(m, g, alpha=0.01)


class AdaFactor:
    """Factored second moments; update clipping, parameter scaling with a relative step, and
    momentum where asked."""

    def __init__(self, weights, clipping=True, relative=True, beta1=0.0):
        self.t = 0
        self.clipping, self.relative, self.beta1 = clipping, relative, beta1
        self.each = []
        for w in weights.values():
            shapes = (w.shape[:-1], w.shape[1:]) if w.dim() == 2 else (w.shape,)
            momentum = torch.zeros_like(w) if beta1 else None
            self.each.append((w.detach(), w.grad, [torch.zeros(shape) for shape in shapes], momentum))

    def __call__(self):
        self.t += 1
        beta, rate = 1 - self.t**-0.8, min(RATE, self.t**-0.5) if self.relative else RATE
        for w, g, states, momentum in self.each:
            alpha = rate * max(1e-3, rms(w)) if self.relative else rate
            square = g * g
            square.add_(1e-30)
            if len(states) == 2:
                row, column = states
                row.mul_(beta).add_(square.mean(-1), alpha=1 - beta)
                column.mul_(beta).add_(square.mean(-2), alpha=1 - beta)
                update = torch.mul((row / row.mean()).rsqrt_().unsqueeze(-1),
                                   column.rsqrt().unsqueeze(0))
            else:
                update = states[0].mul_(beta).add_(square, alpha=1 - beta).rsqrt()
            update.mul_(g)
            if self.clipping:
                alpha /= max(1.0, rms(update))
            if momentum is not None:
                momentum.mul_(self.beta1).add_(update, alpha=(1 - self.beta1) * alpha)
                update, alpha = momentum, 1.0
            w.add_(update, alpha=-alpha)


def rms(x):
    return (x.norm() / x.numel() ** 0.5).item()


class Muon:
    """Keller Jordan's, in f32, scaled to AdamW's size of updates; tables and vectors take
    AdamW. `fused` adds within the products, as torch.optim.Muon does."""

    def __init__(self, weights, fused):
        tables = ("wte.weight", "wpe.weight")
        takes = {n: w for n, w in weights.items() if w.dim() == 2 and not n.endswith(tables)}
        self.step = polynomial_fused if fused else polynomial
        self.each = [(w.detach(), w.grad, torch.zeros_like(w)) for w in takes.values()]
        others = {n: w for n, w in weights.items() if n not in takes}
        self.adamw = torch.optim.AdamW(groups(others, 0.1), lr=0.015 * RATE, betas=(0.9, 0.95),
                                       eps=1e-10, foreach=fused)

    def __call__(self):
        for w, g, m in self.each:
            m.lerp_(g, 0.05)
            x = g.lerp(m, 0.95)
            x /= x.norm() + 1e-7
            for _ in range(5):
                x = self.step(x)
            w.mul_(1 - RATE * 0.1).add_(x, alpha=-RATE * 0.2 * max(w.shape) ** 0.5)
        self.adamw.step()


A, B, C = 3.4445, -4.7750, 2.0315


def polynomial(x):
    tall = x.shape[0] > x.shape[1]
    square = x.t() @ x if tall else x @ x.t()
    factor = B * square + C * (square @ square)
    return A * x + (x @ factor if tall else factor @ x)


def polynomial_fused(x):
    tall = x.shape[0] > x.shape[1]
    square = x.t() @ x if tall else x @ x.t()
    factor = torch.addmm(square, square, square, beta=B, alpha=C)
    return torch.addmm(x, x, factor, beta=A) if tall else torch.addmm(x, factor, x, beta=A)


# Name of a rule -> functions that make one of its forms.
RULES = {
    "SGD": built_in(torch.optim.SGD),
    "momentum": built_in(torch.optim.SGD, momentum=0.9),
    "Nesterov": built_in(torch.optim.SGD, momentum=0.9, nesterov=True),
    "Adam": built_in(torch.optim.Adam, betas=(0.9, 0.95)),
    "AdamW": built_in(torch.optim.AdamW, 0.1, betas=(0.9, 0.95)),
    "AdamW, fairseq's epsilon": written(FairseqAdamW),
    "BERT's Adam": written(BertAdam),
    "Lion": written(Lion),
    "AdaFactor": [AdaFactor],
    "AdaFactor + momentum": [lambda weights: AdaFactor(weights, beta1=0.9)],
    "AdaFactor, no clipping": [lambda weights: AdaFactor(weights, clipping=False)],
    "AdaFactor, a rate of its own": [lambda weights: AdaFactor(weights, relative=False)],
    "Muon": [lambda weights, fused=fused: Muon(weights, fused) for fused in (False, True)],
}
