"""The update rules of suite/rows.py in PyTorch, each in every form that may be its fastest.

What torch.optim has is taken from there, with and without `foreach`. BERT's Adam and
Lion, which it has not, are written as a person would: operation by operation in place,
for each tensor and for all at once.
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
