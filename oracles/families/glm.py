"""Tiny GLM-4: part of a head turns, by neighbours; gate and up in one matrix; norms around the parts of a block or before."""

from transformers import Glm4Config, GlmConfig

# Odd vocabularies, heads wider than hidden / heads of which an uneven part turns.
UNEVEN = dict(
    vocab_size=101,
    hidden_size=34,
    intermediate_size=42,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=12,
    max_position_embeddings=256,
    rms_norm_eps=1e-3,
    pad_token_id=0,
    eos_token_id=1,
)

FOLDERS = {
    "glm4": dict(config=Glm4Config(**UNEVEN), seed=60),
    "glm4-plain": dict(
        config=Glm4Config(
            **(UNEVEN | dict(num_hidden_layers=1)),
            attention_bias=False,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 700.0, "partial_rotary_factor": 0.34},
        ),
        seed=61,
    ),
    "glm": dict(config=GlmConfig(**UNEVEN), seed=62),
    # Heads as wide as hidden / heads, without which llama.cpp does not load this family.
    "glm-even": dict(
        config=GlmConfig(**(UNEVEN | dict(hidden_size=36, num_hidden_layers=1, num_attention_heads=3, num_key_value_heads=1))),
        seed=63,
    ),
}
