"""The LSTM of docs/examples, loss and gradients, against PyTorch's nn.LSTM.

    lstm.py --bin BIN [--recipe docs/examples/lstm.toml]

Random weights and tokens; a gradient may differ by 1e-5 of its norm.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch

import safetensors_io

GRADIENT, LOSS = 1e-5, 1e-6
V, C, B, T = 256, 64, 8, 32


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(V, C)
        self.lstm = torch.nn.LSTM(C, C, batch_first=True)
        self.lm_head = torch.nn.Linear(C, V, bias=False)

    def forward(self, ids):
        return self.lm_head(self.lstm(self.embedding(ids))[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=pathlib.Path)
    parser.add_argument("--recipe", required=True, type=pathlib.Path)
    a = parser.parse_args()
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, V, B * T + 1).astype(np.uint16)
    model = Model()
    ids = torch.from_numpy(tokens.astype(np.int64))
    logits = model.double()(ids[:-1].reshape(B, T))
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, V), ids[1:])
    loss.backward()
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        safetensors_io.write(work / "tokens", {"tokens": tokens})
        # Gradients of the doubles that are nearest to what the file holds.
        safetensors_io.write(work / "weights", {n: p.detach().numpy().astype(np.float32)
                                                for n, p in model.named_parameters()}, {"format": "pt"})
        for target in ("cpu:reference", "cpu"):
            def tool(name, *arguments):
                subprocess.run([a.bin / name, *arguments], check=True, stdout=subprocess.DEVNULL)
            tool("trainc", "compile", a.recipe, "--target", target, "-o", work / "plan")
            tool("trainrun", "gradients", work / "plan", "--data", work / "tokens", "--init", work / "weights",
                 "-o", work / "gradients")
            got = safetensors_io.read(work / "gradients")
            worst = max((float(np.linalg.norm(got[n] - p.grad.numpy()) / np.linalg.norm(p.grad.numpy())), n)
                        for n, p in model.named_parameters())
            apart = abs(float(got["loss"]) - float(loss)) / float(loss)
            for what, value, most in (("loss", apart, LOSS), (f"gradients, {worst[1]} worst,", worst[0], GRADIENT)):
                ok = value <= most
                failures += not ok
                print(f"{'ok' if ok else 'FAIL'} {target}: {what} differ by {value:.2g}, at most {most:g}")
    sys.exit(failures != 0)


main()
