"""Tiny Llama 2 and 3: rope unscaled, linear and llama3, configurations as old and new versions write them."""

import torch
from transformers import LlamaConfig

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


FOLDERS = {
    "llama": dict(config=llama(), seed=1, exact=True),
    "llama-tied-llama3": dict(
        config=llama(rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True), seed=2, exact=True, dtype=torch.bfloat16
    ),
    "llama-tied-llama3-v4": dict(
        config=llama(rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True),
        seed=2,
        exact=True,
        dtype=torch.bfloat16,
        rewrite=transformers4_config,
    ),
    "llama-linear-sharded": dict(
        config=llama(rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}),
        seed=3,
        exact=True,
        shard="100KB",
    ),
    "llama-linear-v4": dict(
        config=llama(
            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}, num_hidden_layers=1
        ),
        seed=4,
        exact=True,
        dtype=torch.float16,
        rewrite=transformers4_early_config,
    ),
    "llama2-minimal": dict(
        config=llama(
            hidden_size=40, intermediate_size=52, num_attention_heads=4, num_key_value_heads=4, head_dim=10
        ),
        seed=5,
        exact=True,
        dtype=torch.float16,
        rewrite=llama2_minimal_config,
    ),
    "llama-biases": dict(
        config=llama(attention_bias=True, mlp_bias=True, num_hidden_layers=1, num_key_value_heads=3), seed=8, exact=True
    ),
    "llama-dynamic": dict(
        config=llama(
            rope_parameters={"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
            num_hidden_layers=1,
            max_position_embeddings=24,
        ),
        seed=9,
        exact=True,
    ),
}
