"""Tiny OLMo 2: norms behind attention and feed-forward, and over the whole width of queries and keys."""

from transformers import Olmo2Config


def olmo2(**changes):
    """An odd vocabulary and rows that are no multiple of a vector; transformers has no head_dim for this family."""
    base = dict(
        vocab_size=103,
        hidden_size=36,
        intermediate_size=44,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=256,
        rms_norm_eps=1e-3,
        rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
    )
    return Olmo2Config(**(base | changes))


FOLDERS = {
    "olmo2": dict(config=olmo2(), seed=50),
    "olmo2-tied-biased": dict(
        config=olmo2(num_hidden_layers=1, num_key_value_heads=6, tie_word_embeddings=True, attention_bias=True), seed=51
    ),
}
