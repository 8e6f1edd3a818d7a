"""Trains a tiny Qwen3 on the bytes of a text by PyTorch, for bench/drift.mjs: `python oracles/train/drift.py TEXT FOLDER [STEPS ...]`.

FOLDER gets the model as it begins (a transformers folder) and run.json: of each run (default: 300 and 1000 steps) its settings, the losses of every step in
float32 and, to tell what rounding does to them, in float64. Ids are bytes. Window k, from 0, of a run is the (k * 7919 modulo
windows)-th of the text's windows of `length` bytes, its targets are the bytes behind; step s takes windows s * rows + i.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import Qwen3Config

import models
import training

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

LENGTH, STRIDE = 64, 7919
models.MODELS["drift"] = Qwen3Config(
    vocab_size=256,
    hidden_size=64,
    intermediate_size=160,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    max_position_embeddings=LENGTH,
    tie_word_embeddings=True,
    initializer_range=0.05,
    bos_token_id=0,
    eos_token_id=1,
)
RUN = {
    "betas": [0.9, 0.95],
    "eps": 1e-8,
    "weightDecay": 0.1,
    "decayed": "matrices",
    "clip": 1.0,
    "learningRate": 1e-3,
    "rows": 8,
    "microBatches": 1,
    "targets": "targets",
    "length": LENGTH,
    "stride": STRIDE,
    "schedule": {"kind": "cosine", "warmup": 20, "least": 0.1},
}


def windows(text: np.ndarray, count: int) -> dict[str, np.ndarray]:
    every = (len(text) - 1) // LENGTH
    begins = np.arange(count) * STRIDE % every * LENGTH
    places = begins[:, None] + np.arange(LENGTH)
    return {"ids": text[places].astype(np.int32), "targets": text[places + 1].astype(np.int32)}


def main(text_path: str, out: str, *lengths: str):
    folder = Path(out)
    text = np.frombuffer(Path(text_path).read_bytes(), dtype=np.uint8)
    models.write_model("drift", folder, seed=9)
    runs = []
    for steps in map(int, lengths or (300, 1000)):
        run = {**RUN, "steps": steps}
        data = windows(text, steps * run["rows"])
        single = training.train(run, data, models.load_model(folder, torch.float32))
        exact = training.in_float64(run, data, models.load_model(folder, torch.float64))
        runs.append({"run": run, "losses": single["losses"], "float64": exact})
        print(f"{steps} steps: loss {single['losses'][0]:.4f} to {single['losses'][-1]:.4f}", flush=True)
    (folder / "run.json").write_text(json.dumps({"torch": torch.__version__, "runs": runs}) + "\n")


main(*sys.argv[1:])
