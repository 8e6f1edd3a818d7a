"""Tiny Granite: four multipliers, with and without biases."""

from transformers import GraniteConfig

UNEVEN_GRANITE = dict(
    vocab_size=107,
    hidden_size=42,
    intermediate_size=62,
    num_hidden_layers=2,
    num_attention_heads=3,
    num_key_value_heads=1,
    max_position_embeddings=150,
    rms_norm_eps=1e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    embedding_multiplier=7.0,
    attention_multiplier=0.17,
    residual_multiplier=0.33,
    logits_scaling=3.5,
    tie_word_embeddings=True,
)


def granite(**changes):
    return GraniteConfig(**(UNEVEN_GRANITE | changes))


FOLDERS = {
    "granite": dict(config=granite(), seed=141, exact=True),
    "granite-biases": dict(
        config=granite(
            num_hidden_layers=1,
            attention_bias=True,
            mlp_bias=True,
            tie_word_embeddings=False,
            residual_multiplier=1.0,
            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 3.0},
        ),
        seed=142,
        exact=True,
    ),
}
