"""Records training by PyTorch for tests/train/goldens: `python oracles/train/record.py [MODEL ...]`.

One thread and fixed seeds: with the pinned versions the models and the data come out byte for byte the same on any
machine; losses may differ in the last bits of float32 between CPUs.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

import models
import training

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

GOLDENS = Path(__file__).resolve().parent.parent.parent / "tests" / "train" / "goldens"
ROWS = 64

ADAMW = {
    "optimizer": "adamw",
    "betas": [0.9, 0.95],
    "eps": 1e-8,
    "weightDecay": 0.1,
    "decayed": "matrices",
    "clip": 1.0,
    "learningRate": 3e-3,
    "rows": 4,
    "microBatches": 1,
    "targets": "targets",
}
COSINE = {"kind": "cosine", "warmup": 10, "least": 0.1}
RUNS = {
    "constant": {**ADAMW, "steps": 40, "decayed": "all", "schedule": {"kind": "constant"}},
    "cosine": {**ADAMW, "steps": 40, "schedule": COSINE},
    "accumulated": {**ADAMW, "steps": 40, "schedule": COSINE, "rows": 8, "microBatches": 4, "targets": "answers"},
    "long": {**ADAMW, "steps": 1000, "schedule": {**COSINE, "warmup": 50}, "learningRate": 1e-3},
}


def make_data() -> dict[str, np.ndarray]:
    """Rows of ids of a random chain, in which few ids follow each id, and the next id of each as its target. In
    `answers` most targets of some rows are -1, so that micro-batches count differently many."""
    rng = np.random.default_rng(11)
    follows = rng.integers(0, models.VOCABULARY, (models.VOCABULARY, 4))
    chain = [0]
    while len(chain) <= ROWS * models.LENGTH:
        chain.append(int(follows[chain[-1], rng.choice(4, p=[0.6, 0.2, 0.1, 0.1])]))
    stream = np.array(chain, dtype=np.int32)
    shape = (ROWS, models.LENGTH)
    ids, targets = stream[:-1].reshape(shape), stream[1:].reshape(shape)
    first = rng.integers(0, models.LENGTH - 1, (ROWS, 1))
    answers = np.where(np.arange(models.LENGTH) < first, -1, targets).astype(np.int32)
    return {"ids": ids.copy(), "targets": targets.copy(), "answers": answers}


def digits(values: list[float], count=9) -> list[float]:
    return [float(f"{value:.{count}g}") for value in values]


def record(name: str, data: dict[str, np.ndarray]):
    """Writes a model and what became of it in each run, and prints how far float64 is."""
    folder = GOLDENS / name
    models.write_model(name, folder, seed=5)
    runs = {}
    for title, run in RUNS.items():
        model = models.load_model(folder, torch.float32)
        result = training.train(run, data, model)
        exact = training.in_float64(run, data, models.load_model(folder, torch.float64))
        apart = max(abs(a - b) for a, b in zip(result["losses"], exact, strict=True))
        every = 10 if run["steps"] > 100 else 1
        runs[title] = {
            "run": run,
            "every": every,
            **{key: digits(values[::every]) for key, values in result.items()},
            "float64": {"losses": digits(exact[::every], 12), "largestDifference": float(f"{apart:.3g}")},
            "lastLoss": digits(result["losses"][-1:])[0],
            "finalWeights": {
                tensor: {key: float(f"{value:.9g}") for key, value in of.items()}
                for tensor, of in training.final_weights(model).items()
            },
        }
        losses = result["losses"]
        print(f"{name} {title}: {losses[0]:.4f} to {losses[-1]:.4f}, float64 within {apart:.2e}")
    with (folder / "training.json").open("w") as file:
        file.write("{\n")
        lines = [f"  {json.dumps(title)}: {json.dumps(text)}" for title, text in runs.items()]
        file.write(",\n".join(lines) + "\n}\n")


MANIFEST = {
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "threads": 1,
    "dtype": "float32",
    "models": list(models.MODELS),
    "data": {"file": "data.safetensors", "rows": ROWS, "length": models.LENGTH, "vocabulary": models.VOCABULARY},
    "batch": "step s, from 0, takes rows s * rows + i of the data modulo its rows, for i < rows, "
    "cut into microBatches of equal rows",
    "loss": "the mean over the targets of the step that are not -1, in all micro-batches together, before the step",
    "clip": "gradients are multiplied by min(1, clip / (norm + 1e-6)), "
    "norm being that of all gradients together before it",
    "rate": "warm-up: (s + 1) / warmup; "
    "cosine: least + (1 - least) (1 + cos(pi (s - warmup) / (steps - warmup))) / 2; times learningRate",
    "decayed": "all: weightDecay on every tensor; matrices: on those of two axes or more",
    "finalWeights": "of each tensor the norm, and the product with numbers of Numerical Recipes' "
    "generator from seed 1, as in gradients.json",
}


def main():
    GOLDENS.mkdir(parents=True, exist_ok=True)
    (GOLDENS / "manifest.json").write_text(json.dumps(MANIFEST, indent=2) + "\n")
    data = make_data()
    save_file(data, GOLDENS / "data.safetensors")
    for name in sys.argv[1:] or models.MODELS:
        record(name, data)


main()
