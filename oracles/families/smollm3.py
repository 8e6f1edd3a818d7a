"""Tiny SmolLM3: layers without positions by the interval and by a list, windows, biases."""

import torch
from transformers import SmolLM3Config

UNEVEN_SMOLLM3 = dict(
    vocab_size=93,
    hidden_size=36,
    intermediate_size=46,
    num_hidden_layers=4,
    num_attention_heads=6,
    num_key_value_heads=2,
    max_position_embeddings=200,
    rms_norm_eps=1e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 50000.0},
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)


def smollm3(**changes):
    return SmolLM3Config(**(UNEVEN_SMOLLM3 | changes))


def minimal_config(config: SmolLM3Config, dtype: str) -> dict:
    """Without the keys that equal the class's defaults: the tied head, the base of the turns, the interval."""
    kept = ("hidden_act", "hidden_size", "intermediate_size", "max_position_embeddings", "num_attention_heads")
    also = ("num_hidden_layers", "pad_token_id", "rms_norm_eps", "vocab_size")
    return {"architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3", "torch_dtype": dtype} | {
        key: getattr(config, key) for key in kept + also
    }


FOLDERS = {
    "smollm3": dict(config=smollm3(), seed=131, exact=True, dtype=torch.float16),
    "smollm3-list": dict(
        config=smollm3(
            num_hidden_layers=3,
            no_rope_layers=[0, 1, 0],
            use_sliding_window=True,
            sliding_window=8,
            attention_bias=True,
            mlp_bias=True,
            tie_word_embeddings=False,
        ),
        seed=132,
        exact=True,
    ),
    "smollm3-minimal": dict(
        config=smollm3(
            hidden_size=40,
            num_attention_heads=4,
            num_key_value_heads=4,
            rope_parameters={"rope_type": "default", "rope_theta": 2000000.0},
        ),
        seed=133,
        exact=True,
        dtype=torch.bfloat16,
        rewrite=minimal_config,
    ),
}
