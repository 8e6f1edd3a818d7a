"""Tiny Qwen2: biases of q, k and v; windows from a layer on or by type; yarn."""

from transformers import Qwen2Config

# Heads of 10 in a width of 43: hidden / heads rounded down.
UNEVEN_QWEN2 = dict(
    vocab_size=103,
    hidden_size=43,
    intermediate_size=58,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    rms_norm_eps=2e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    tie_word_embeddings=False,
)
# The blend spreads over three of the five pairs.
YARN_ROPE = {
    "rope_type": "yarn",
    "rope_theta": 1000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 8.0,
    "beta_slow": 0.5,
}


def qwen2(**changes):
    return Qwen2Config(**(UNEVEN_QWEN2 | changes))


def without_types(config: Qwen2Config, dtype: str) -> dict:
    """As transformers 4.40 wrote it: no layer_types, and the size of the window whether it is used or not."""
    written = config.to_dict() | {"torch_dtype": dtype, "rope_theta": config.rope_parameters["rope_theta"]}
    del written["layer_types"], written["rope_parameters"]
    return written | {"architectures": ["Qwen2ForCausalLM"]}


FOLDERS = {
    "qwen2": dict(config=qwen2(), seed=111, exact=True),
    "qwen2-window": dict(
        config=qwen2(
            use_sliding_window=True,
            sliding_window=5,
            max_window_layers=1,
            num_hidden_layers=2,
            tie_word_embeddings=True,
        ),
        seed=112,
        exact=True,
        rewrite=without_types,
    ),
    "qwen2-types": dict(
        config=qwen2(
            use_sliding_window=True, sliding_window=6, layer_types=["sliding_attention", "full_attention"], hidden_size=40
        ),
        seed=113,
        exact=True,
    ),
    # A width of 40, which llama.cpp loads as well.
    "qwen2-yarn": dict(
        config=qwen2(rope_parameters=YARN_ROPE, num_hidden_layers=1, hidden_size=40), seed=114, exact=True
    ),
    "qwen2-yarn-untruncated": dict(
        config=qwen2(
            rope_parameters=YARN_ROPE | {"truncate": False, "mscale": 0.7, "mscale_all_dim": 1.4},
            num_hidden_layers=1,
            hidden_size=40,
        ),
        seed=115,
        exact=True,
    ),
    # With the usual limits of the blend, which are all that llama.cpp has for this family.
    "qwen2-yarn-factor": dict(
        config=qwen2(
            rope_parameters=YARN_ROPE | {"attention_factor": 1.25, "beta_fast": None, "beta_slow": None},
            num_hidden_layers=1,
            hidden_size=40,
        ),
        seed=116,
        exact=True,
    ),
}
