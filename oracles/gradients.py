"""Records gradients for the transformers folders of tests/parity/goldens: `python oracles/gradients.py [NAME ...]`.

Of every tensor of a checkpoint: the norm of the gradient of the mean cross-entropy over a batch of two short sequences, and
its products with three pseudo-random vectors, which no wrong gradient gets right. Small numbers, so that all are committed.
"""

import json
import math
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
logging.set_verbosity_error()
torch.set_num_threads(1)

GOLDENS = Path(__file__).resolve().parent.parent / "tests" / "parity" / "goldens"
SEQUENCES, TOKENS, VECTORS = 2, 12, 3


@contextmanager
def float64_throughout():
    """Transformers casts norms, softmax, angles and whole recurrences to float32 by this name and this method."""
    single, cast = torch.float32, torch.Tensor.float
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.float32 = torch.float = single
        torch.Tensor.float = cast


def vector(seed: int, count: int) -> np.ndarray:
    """Numbers from -1 to 1 of a linear congruential generator (Numerical Recipes: 1664525, 1013904223, modulo 2^32)."""
    values, state = np.empty(count), seed
    for i in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        values[i] = state / 2**31 - 1
    return values


def stored(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a folder by name."""
    tensors = {}
    for file in sorted(folder.glob("model*.safetensors")):
        tensors.update(load_file(file))
    return tensors


def gradients_by_name(folder: Path, model) -> dict[str, torch.Tensor]:
    """Gradients under the names of the checkpoint, which may differ from those of the modules: equal random values tell."""
    own = [(weight, weight.grad) for weight in model.parameters() if weight.grad is not None]
    found = {}
    for name, values in stored(folder).items():
        for weight, gradient in own:
            if weight.shape == values.shape and torch.equal(weight.detach(), values.double()):
                found[name] = gradient
    return found


def record(name: str, random: dict[int, np.ndarray]):
    """Writes the figures of one folder, and prints how far its logits are from those recorded before."""
    folder = GOLDENS / name
    read = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    with safe_open(folder / "logits.safetensors", "pt") as file:
        ids, expected = file.get_tensor("ids"), file.get_tensor("logits")
    batch = np.random.default_rng(12).integers(0, expected.shape[1], (SEQUENCES, TOKENS))
    # PyTorch passes no gradient to the embedding of the token that pads: it must be among them.
    batch[1, 5] = read.config.get_text_config().pad_token_id or 0
    targets = torch.from_numpy(batch[:, 1:].reshape(-1))
    with float64_throughout():
        # Made anew, so that the frequencies of its angles are float64 too.
        model = type(read)._from_config(read.config, dtype=torch.float64, attn_implementation="eager").eval()
        model.load_state_dict(read.state_dict())
        with torch.no_grad():
            logits = model(ids.long()[None]).logits[0]
        error = ((logits - expected).pow(2).sum() / expected.pow(2).sum()).item()
        logits = model(torch.from_numpy(batch)).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(len(targets), -1), targets)
        loss.backward()
    tensors = {}
    for tensor, gradient in sorted(gradients_by_name(folder, model).items()):
        values = gradient.reshape(-1).numpy()
        products = [float(values @ random[seed][: len(values)]) for seed in random]
        tensors[tensor] = [float(f"{value:.12g}") for value in (math.sqrt(values @ values), *products)]
    rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in tensors.items())
    text = f'{{\n "ids": {json.dumps(batch.tolist())},\n "loss": {loss.item()!r},\n "tensors": {{\n{rows}\n }}\n}}\n'
    (folder / "gradients.json").write_text(text)
    print(f"{name:24} {len(tensors):3} tensors of {len(stored(folder)):3}  loss {loss.item():.6f}  logits nmse {error:.1e}")


if __name__ == "__main__":
    folders = sorted(path.parent.name for path in GOLDENS.glob("*/config.json"))
    vectors = {seed: vector(seed, 200_000) for seed in range(1, VECTORS + 1)}
    for folder in sys.argv[1:] or folders:
        record(folder, vectors)
