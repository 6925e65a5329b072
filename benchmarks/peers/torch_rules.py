"""The update rules of suite/rows.py in PyTorch, each in every form that may be its fastest.

What torch.optim has is taken from there, with and without `foreach`. BERT's Adam and
Lion, which it has not, are written as a person would: operation by operation in place,
for each tensor and for all at once; AdaFactor as the libraries have it, for each tensor.
"""

import torch

import torch_gpt2

RATE = 6e-4
# Name of the row -> what torch.optim calls it.
BUILT_IN = {
    "SGD": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "Nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "Adam": (torch.optim.Adam, {"betas": (0.9, 0.95)}),
}


def forms(name, weights):
    """Functions that make one update of `weights` from their .grad."""
    for foreach in (False, True):
        if name in BUILT_IN:
            kind, options = BUILT_IN[name]
            yield kind(weights, lr=RATE, foreach=foreach, **options).step
        elif name.startswith("AdamW"):
            yield adamw(weights, foreach, name.endswith("clipping"))
        elif name == "AdaFactor":
            if not foreach:
                yield AdaFactor(weights)
        else:
            yield {"BERT's Adam": BertAdam, "Lion": Lion}[name](weights, foreach)


def adamw(weights, foreach, clipping):
    rule = torch_gpt2.optimizer_for(weights, foreach)

    def update():
        if clipping:
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
        rule.step()
    return update


class Written:
    """A rule of our own writing: `update` takes lists of tensors; all at once, or one."""

    def __init__(self, weights, foreach):
        self.weights = [w.detach() for w in weights]
        self.gradients = [w.grad for w in weights]
        self.m = [torch.zeros_like(w) for w in self.weights]
        self.v = [torch.zeros_like(w) for w in self.weights] if self.second else self.m
        self.foreach = foreach

    def __call__(self):
        lists = self.weights, self.gradients, self.m, self.v
        if self.foreach:
            self.update(*lists)
        else:
            for tensors in zip(*lists):
                self.update(*([tensor] for tensor in tensors))


class BertAdam(Written):
    second = True

    def update(self, w, g, m, v):
        torch._foreach_mul_(m, 0.9)
        torch._foreach_add_(m, g, alpha=0.1)
        torch._foreach_mul_(v, 0.999)
        torch._foreach_addcmul_(v, g, g, 0.001)
        root = torch._foreach_sqrt(v)
        torch._foreach_add_(root, 1e-6)
        direction = torch._foreach_div(m, root)
        torch._foreach_add_(direction, w, alpha=0.01)
        torch._foreach_add_(w, direction, alpha=-RATE)


class Lion(Written):
    second = False

    def update(self, w, g, m, _):
        direction = torch._foreach_mul(m, 0.9)
        torch._foreach_add_(direction, g, alpha=0.1)
        for tensor in direction:
            tensor.sign_()
        torch._foreach_mul_(w, 1 - RATE * 0.1)
        torch._foreach_add_(w, direction, alpha=-RATE)
        torch._foreach_mul_(m, 0.99)
        torch._foreach_add_(m, g, alpha=0.01)


class AdaFactor:
    """Factored second moments, update clipping, parameter scaling, relative step."""

    def __init__(self, weights):
        self.t = 0
        self.each = []
        for w in weights:
            shapes = (w.shape[:-1], w.shape[1:]) if w.dim() == 2 else (w.shape,)
            self.each.append((w.detach(), w.grad, [torch.zeros(shape) for shape in shapes]))

    def __call__(self):
        self.t += 1
        beta, rate = 1 - self.t**-0.8, min(0.01, self.t**-0.5)
        for w, g, states in self.each:
            alpha = rate * max(1e-3, rms(w))
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
            w.add_(update, alpha=-alpha / max(1.0, rms(update)))


def rms(x):
    return (x.norm() / x.numel() ** 0.5).item()
