"""Trains tiny with AdaFactor, with clipping, decay and momentum, and with Muon, in several ways."""
from workflow import assert_same_bits, compile_plan, load, with_section

RULES = {
    "adafactor": 'learning_rate = 0.02\nbeta1 = 0.9\nmin_dim_to_factor = 20',
    "muon": 'learning_rate = 0.01',
}
for rule, keys in RULES.items():
    recipe = with_section("optimizer", f'name = "{rule}"\n{keys}\nweight_decay = 0.1\nclip_norm = 1.0')
    folder, steps = assert_same_bits(compile_plan(rule, of=recipe), rule, 20, 7)
    weights, states = ({name: array.shape for name, array in load(folder, 20, file).items()} for file in ("model", "optimizer"))
    matrices = 0
    for name, shape in weights.items():
        own = {key[len(name) + 1:]: value for key, value in states.items() if key.rpartition(".")[0] == name}
        if rule == "adafactor":
            matrix = len(shape) == 2 and min(shape) >= 20
            want = {"v_row": shape[:1], "v_col": shape[1:], "m": shape} if matrix else {"v": shape, "m": shape}
        else:
            matrix = len(shape) == 2 and "wte" not in name and "wpe" not in name
            want = {"momentum": shape} if matrix else {"m": shape, "v": shape}
        matrices += matrix
        assert own == want, (name, own, want)
    assert 0 < matrices < len(weights), matrices
    assert states["optimizer.updates"] == (), states
    losses = [step["loss"] for step in steps]
    assert losses[-1] < losses[0] - 0.2, losses
    print(f"{rule}: states by shape, the loss falls, the same bits for 1 and 3 threads and after a resume")
