"""Tiny Mistral: a window shorter than the prompt, and none."""

from transformers import MistralConfig

# No width is a multiple of a vector; heads are wider than hidden / heads.
UNEVEN_MISTRAL = dict(
    vocab_size=89,
    hidden_size=38,
    intermediate_size=54,
    num_hidden_layers=2,
    num_attention_heads=6,
    num_key_value_heads=2,
    head_dim=14,
    max_position_embeddings=160,
    rms_norm_eps=1e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 25000.0},
    sliding_window=7,
    tie_word_embeddings=False,
)


def mistral(**changes):
    return MistralConfig(**(UNEVEN_MISTRAL | changes))


def published_config(config: MistralConfig, dtype: str) -> dict:
    """The keys of the first published folder: no head_dim, no rope_parameters."""
    return {
        "architectures": ["MistralForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings,
        "model_type": "mistral",
        "num_attention_heads": config.num_attention_heads,
        "num_hidden_layers": config.num_hidden_layers,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_parameters["rope_theta"],
        "sliding_window": config.sliding_window,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "transformers_version": "4.34.0.dev0",
        "use_cache": True,
        "vocab_size": config.vocab_size,
    }


FOLDERS = {
    "mistral": dict(config=mistral(), seed=101, exact=True),
    # Eight heads of keys and values, which the configuration leaves out.
    "mistral-minimal": dict(
        config=mistral(
            hidden_size=48,
            num_attention_heads=8,
            num_key_value_heads=8,
            head_dim=6,
            num_hidden_layers=1,
            sliding_window=None,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        ),
        seed=102,
        exact=True,
        rewrite=published_config,
    ),
}
