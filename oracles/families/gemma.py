"""Tiny Gemma, Gemma 2 and Gemma 3 (text): gains around 1, caps that bite, windows shorter than the prompt, two thetas."""

import torch
from transformers import Gemma2Config, Gemma3Config, Gemma3TextConfig, GemmaConfig, SiglipVisionConfig

# Odd vocabularies, heads wider than hidden / heads, no row a multiple of a vector, eps and scales that show.
UNEVEN = dict(
    vocab_size=97,
    hidden_size=30,
    intermediate_size=44,
    num_hidden_layers=2,
    num_attention_heads=3,
    num_key_value_heads=1,
    head_dim=14,
    max_position_embeddings=256,
    rms_norm_eps=1e-3,
)


def spread(name, weight):
    """Gains are 1 + weight; the embedding is multiplied by the root of the width."""
    if weight.ndim == 1:
        return 0.3
    return 0.3 if "embed_tokens" in name else None


def gemma3_config(config: Gemma3TextConfig, dtype: str) -> dict:
    """As transformers 4.50 wrote it: a number for the pattern of windows, two bases, the scaling of the global one."""
    rope = config.rope_parameters
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": None,
        "bos_token_id": 2,
        "cache_implementation": "hybrid",
        "eos_token_id": [1, 106],
        "final_logit_softcapping": None,
        "head_dim": config.head_dim,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": config.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings,
        "model_type": "gemma3_text",
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "num_key_value_heads": config.num_key_value_heads,
        "pad_token_id": 0,
        "query_pre_attn_scalar": config.query_pre_attn_scalar,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_local_base_freq": rope["sliding_attention"]["rope_theta"],
        "rope_scaling": {"factor": rope["full_attention"]["factor"], "rope_type": "linear"},
        "rope_theta": rope["full_attention"]["rope_theta"],
        "sliding_window": config.sliding_window,
        "sliding_window_pattern": 2,
        "torch_dtype": dtype,
        "transformers_version": "4.50.0",
        "use_cache": True,
        "vocab_size": config.vocab_size,
    }


GEMMA3_ROPE = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
    "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 20000.0},
}

FOLDERS = {
    "gemma": dict(config=GemmaConfig(**UNEVEN, hidden_act="gelu_pytorch_tanh"), seed=40, spread=spread),
    "gemma2": dict(
        config=Gemma2Config(
            **UNEVEN,
            sliding_window=7,
            query_pre_attn_scalar=9,
            attn_logit_softcapping=1.5,
            final_logit_softcapping=2.0,
            rope_parameters={"rope_type": "default", "rope_theta": 500.0},
        ),
        seed=41,
        spread=spread,
    ),
    # Three layers of which the first attends to all, no caps, in bfloat16: the embedding's scale stays unrounded in f32.
    "gemma2-uncapped": dict(
        config=Gemma2Config(
            **(UNEVEN | dict(num_hidden_layers=3)),
            sliding_window=5,
            query_pre_attn_scalar=14,
            attn_logit_softcapping=None,
            final_logit_softcapping=None,
            layer_types=["full_attention", "sliding_attention", "sliding_attention"],
        ),
        seed=42,
        spread=spread,
        dtype=torch.bfloat16,
    ),
    "gemma3": dict(
        config=Gemma3TextConfig(
            **(UNEVEN | dict(num_hidden_layers=3)),
            sliding_window=6,
            query_pre_attn_scalar=11,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            rope_parameters=GEMMA3_ROPE,
            final_logit_softcapping=3.0,
        ),
        seed=43,
        spread=spread,
    ),
    "gemma3-v4": dict(
        config=Gemma3TextConfig(
            **UNEVEN,
            sliding_window=6,
            query_pre_attn_scalar=20,
            layer_types=["sliding_attention", "full_attention"],
            rope_parameters=GEMMA3_ROPE,
        ),
        seed=44,
        spread=spread,
        rewrite=gemma3_config,
    ),
    # A folder with a vision model, of which only the text model is read.
    "gemma3-vision": dict(
        config=Gemma3Config(
            text_config=dict(**(UNEVEN | dict(vocab_size=61)), sliding_window=9, query_pre_attn_scalar=14),
            vision_config=SiglipVisionConfig(
                hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
            ),
            mm_tokens_per_image=4,
        ),
        seed=45,
        spread=spread,
        dtype=torch.bfloat16,
    ),
}
