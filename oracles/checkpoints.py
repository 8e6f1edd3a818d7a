"""Records the tiny transformers folders of tests/parity/goldens: `python oracles/checkpoints.py [NAME ...]`."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

import reference
from families import FOLDERS

GOLDENS = Path(__file__).resolve().parent.parent / "tests" / "parity" / "goldens"


def fill(model, rng: np.random.Generator, spread_of=None):
    """Random weights, in the order of their names. Norm gains differ from 1 and from each other, biases from 0;
    projections keep the scale of their input, and attention scores have a spread of about 2, so that a wrong position or
    head shows. `spread_of(name, weight)` may give another deviation."""
    for name, weight in sorted(model.named_parameters()):
        special = spread_of(name, weight) if spread_of else None
        if special is not None:
            weight.copy_(torch.from_numpy(rng.standard_normal(weight.shape) * special))
        elif weight.ndim == 1 and name.endswith("weight"):
            gain = rng.uniform(0.5, 1.5, weight.shape) * (1.5 if name.endswith(("q_norm.weight", "k_norm.weight")) else 1)
            weight.copy_(torch.from_numpy(gain))
        elif weight.ndim == 1:
            weight.copy_(torch.from_numpy(rng.standard_normal(weight.shape) * 0.3))
        else:
            spread = 1.0 if "embed_tokens" in name else weight.shape[1] ** -0.5
            spread *= 1.5 if name.endswith(("q_proj.weight", "k_proj.weight")) else 1.0
            weight.copy_(torch.from_numpy(rng.standard_normal(weight.shape) * spread))


def write_folder(
    folder: Path, config, seed: int, dtype=torch.float32, shard="1GB", rewrite=None, spread=None
) -> np.ndarray:
    """Writes a random model as a transformers folder; returns the ids to run it on."""
    rng = np.random.default_rng(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
    fill(model, rng, spread)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if rewrite:
        text = json.dumps(rewrite(config, str(dtype).removeprefix("torch.")), indent=2)
        (folder / "config.json").write_text(text + "\n")
    return reference.draw_ids(rng, config.get_text_config().vocab_size)


def record(name: str):
    """Writes one folder and its logits, and prints how far transformers' own float32 and double are from them."""
    folder = GOLDENS / name
    row = dict(FOLDERS[name])
    exact = row.pop("exact", False)
    ids = write_folder(folder, **row)
    model = reference.load(folder, torch.float64)
    make_float64 = exact if callable(exact) else reference.make_float64
    expected = reference.logits(make_float64(model) if exact else model, ids)
    single = reference.nmse(reference.logits(reference.load(folder), ids), expected)
    double = reference.nmse(reference.logits(reference.load(folder, torch.float64), ids), expected)
    if max(single, double) > 1e-9:
        raise SystemExit(f"{name}: the float64 reference and transformers disagree ({single:.1e}, {double:.1e})")
    reference.save_golden(
        folder / "logits.safetensors",
        ids,
        expected,
        f"transformers 5.18.0, torch 2.13.0, float64; NMSE of transformers' float32 {single:.1e}",
    )
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name:24} {size:8} bytes  spread {expected.std():5.2f}  nmse f32 {single:.1e}  double() {double:.1e}")


if __name__ == "__main__":
    for name in sys.argv[1:] or FOLDERS:
        record(name)
