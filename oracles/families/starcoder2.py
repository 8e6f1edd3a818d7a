"""Tiny StarCoder2: a window shorter than the prompt, with biases and without."""

import torch
from transformers import Starcoder2Config

UNEVEN_STARCODER2 = dict(
    vocab_size=89,
    hidden_size=42,
    intermediate_size=59,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=2,
    head_dim=10,
    max_position_embeddings=256,
    norm_epsilon=2e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
    sliding_window=7,
    bos_token_id=1,
    eos_token_id=2,
)


def starcoder2(**changes):
    return Starcoder2Config(**(UNEVEN_STARCODER2 | changes))


FOLDERS = {
    "starcoder2": dict(config=starcoder2(), seed=62, exact=True),
    "starcoder2-plain": dict(
        config=starcoder2(
            head_dim=None,
            hidden_size=48,
            use_bias=False,
            sliding_window=None,
            tie_word_embeddings=False,
            hidden_act="relu",
        ),
        seed=63,
        exact=True,
        dtype=torch.float16,
    ),
    # Heads as wide as hidden / heads and no window: llama.cpp takes no others of this family.
    "starcoder2-even": dict(
        config=starcoder2(head_dim=None, hidden_size=48, sliding_window=None, tie_word_embeddings=False),
        seed=64,
        exact=True,
    ),
}
