"""Records the tiny transformers folders of tests/parity/goldens: `python oracles/checkpoints.py [NAME ...]`."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config

import reference

GOLDENS = Path(__file__).resolve().parent.parent / "tests" / "parity" / "goldens"

# No row is a multiple of a vector, heads are wider than hidden / heads, the vocabularies are odd, and eps is large enough
# that ignoring it shows.
UNEVEN_LLAMA = dict(
    vocab_size=131,
    hidden_size=42,
    intermediate_size=76,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=2,
    head_dim=10,
    max_position_embeddings=256,
    rms_norm_eps=1e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    tie_word_embeddings=False,
)
UNEVEN_QWEN3 = dict(
    vocab_size=97,
    hidden_size=36,
    intermediate_size=52,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=3,
    head_dim=24,
    max_position_embeddings=512,
    rms_norm_eps=2e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    tie_word_embeddings=False,
    bos_token_id=1,
    eos_token_id=2,
)
# Wavelengths are 6, 25, 100, 396 and 1578 positions: two are kept, one is blended (32 to 128), two are divided by 8.
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 1000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}


def llama(**changes):
    return LlamaConfig(**(UNEVEN_LLAMA | changes))


def qwen3(**changes):
    return Qwen3Config(**(UNEVEN_QWEN3 | changes))


def llama2_minimal_config(config: LlamaConfig, dtype: str) -> dict:
    """The keys of the first published Llama 2 folders: no head_dim, no num_key_value_heads, no rope_theta."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings,
        "model_type": "llama",
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "pad_token_id": None,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "transformers_version": "4.31.0",
        "use_cache": True,
        "vocab_size": config.vocab_size,
    }


def transformers4_config(config: LlamaConfig, dtype: str) -> dict:
    """The same configuration as transformers 4.45 wrote it: rope_theta and rope_scaling at top level."""
    rope = dict(config.rope_parameters)
    theta = rope.pop("rope_theta")
    return llama2_minimal_config(config, dtype) | {
        "attention_bias": False,
        "head_dim": config.head_dim,
        "mlp_bias": False,
        "num_key_value_heads": config.num_key_value_heads,
        "rope_scaling": rope,
        "rope_theta": theta,
        "tie_word_embeddings": config.tie_word_embeddings,
        "transformers_version": "4.45.0",
    }


def transformers4_early_config(config: LlamaConfig, dtype: str) -> dict:
    """As transformers 4.31 to 4.42 wrote it: the kind of scaling is under `type`."""
    old = transformers4_config(config, dtype)
    scaling = {"type": old["rope_scaling"]["rope_type"], "factor": old["rope_scaling"]["factor"]}
    return old | {"rope_scaling": scaling, "transformers_version": "4.35.0"}


# name -> configuration, seed, dtype on disk, bytes per shard, how config.json is rewritten
FOLDERS = {
    "llama": dict(config=llama(), seed=1),
    "llama-tied-llama3": dict(
        config=llama(rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True), seed=2, dtype=torch.bfloat16
    ),
    "llama-tied-llama3-v4": dict(
        config=llama(rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True),
        seed=2,
        dtype=torch.bfloat16,
        rewrite=transformers4_config,
    ),
    "llama-linear-sharded": dict(
        config=llama(rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}),
        seed=3,
        shard="100KB",
    ),
    "llama-linear-v4": dict(
        config=llama(
            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}, num_hidden_layers=1
        ),
        seed=4,
        dtype=torch.float16,
        rewrite=transformers4_early_config,
    ),
    "llama2-minimal": dict(
        config=llama(
            hidden_size=40, intermediate_size=52, num_attention_heads=4, num_key_value_heads=4, head_dim=10
        ),
        seed=5,
        dtype=torch.float16,
        rewrite=llama2_minimal_config,
    ),
    "qwen3": dict(config=qwen3(), seed=6),
    "qwen3-tied": dict(config=qwen3(tie_word_embeddings=True), seed=7),
}


def fill(model, rng: np.random.Generator):
    """Random weights, in the order of their names. Norm gains differ from 1 and from each other; projections keep the
    scale of their input, and attention scores have a spread of about 2, so that a wrong position or head shows."""
    for name, weight in sorted(model.named_parameters()):
        if name.endswith("norm.weight"):
            gain = rng.uniform(0.5, 1.5, weight.shape) * (1.5 if name.endswith(("q_norm.weight", "k_norm.weight")) else 1)
            weight.copy_(torch.from_numpy(gain))
        else:
            spread = 1.0 if "embed_tokens" in name else weight.shape[1] ** -0.5
            spread *= 1.5 if name.endswith(("q_proj.weight", "k_proj.weight")) else 1.0
            weight.copy_(torch.from_numpy(rng.standard_normal(weight.shape) * spread))


def write_folder(folder: Path, config, seed: int, dtype=torch.float32, shard="1GB", rewrite=None) -> np.ndarray:
    """Writes a random model as a transformers folder; returns the ids to run it on."""
    rng = np.random.default_rng(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
    fill(model, rng)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if rewrite:
        text = json.dumps(rewrite(config, str(dtype).removeprefix("torch.")), indent=2)
        (folder / "config.json").write_text(text + "\n")
    return reference.draw_ids(rng, config.vocab_size)


def record(name: str):
    """Writes one folder and its logits, and prints how far transformers' own float32 and double are from them."""
    folder = GOLDENS / name
    ids = write_folder(folder, **FOLDERS[name])
    expected = reference.logits(reference.make_float64(reference.load(folder, torch.float64)), ids)
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
