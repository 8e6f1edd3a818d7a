"""Tiny Qwen3, head tied and not, with a window from a layer on."""

from transformers import Qwen3Config

# Odd vocabulary, heads wider than hidden / heads.
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


def qwen3(**changes):
    return Qwen3Config(**(UNEVEN_QWEN3 | changes))


FOLDERS = {
    "qwen3": dict(config=qwen3(), seed=6, exact=True),
    "qwen3-tied": dict(config=qwen3(tie_word_embeddings=True), seed=7, exact=True),
    "qwen3-window": dict(
        config=qwen3(use_sliding_window=True, sliding_window=6, max_window_layers=1, head_dim=14), seed=8, exact=True
    ),
}
