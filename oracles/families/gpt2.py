"""Tiny GPT-2: the usual one, and one with every switch that changes its arithmetic."""

import torch
from transformers import GPT2Config

UNEVEN_GPT2 = dict(
    vocab_size=101, n_positions=48, n_embd=42, n_layer=2, n_head=6, layer_norm_epsilon=1e-3, bos_token_id=1, eos_token_id=2
)


def gpt2(**changes):
    return GPT2Config(**(UNEVEN_GPT2 | changes))


def spread(name: str, weight: torch.Tensor) -> float | None:
    """Conv1D has its inputs first; token embeddings are the head, too."""
    if "wte" in name or "wpe" in name:
        return 0.7
    return None if weight.ndim == 1 else (2.0 if "c_attn" in name else 1.0) * weight.shape[0] ** -0.5


def first_published(config: GPT2Config, dtype: str) -> dict:
    """The keys of the first published GPT-2."""
    keys = ["vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon", "activation_function"]
    return {key: getattr(config, key) for key in keys} | {
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.1,
        "n_ctx": config.n_positions,
        "model_type": "gpt2",
    }


FOLDERS = {
    "gpt2": dict(config=gpt2(), seed=60, spread=spread, rewrite=first_published),
    "gpt2-scaled": dict(
        config=gpt2(
            n_layer=3,
            n_inner=53,
            activation_function="gelu",
            scale_attn_by_inverse_layer_idx=True,
            scale_attn_weights=False,
            tie_word_embeddings=False,
        ),
        seed=61,
        spread=spread,
        dtype=torch.bfloat16,
    ),
    # Room for 64 greedy tokens behind a prompt.
    "gpt2-long": dict(config=gpt2(n_positions=128, n_layer=1), seed=59, spread=spread),
}
