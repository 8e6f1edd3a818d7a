"""Tiny Phi-3: fused products, windows, longrope beyond and within the original context, turns of a part of the head."""

from transformers import Phi3Config

# Heads of 14 in a width of 42; in one row of 44: hidden / heads rounded down.
UNEVEN_PHI3 = dict(
    vocab_size=91,
    hidden_size=42,
    intermediate_size=50,
    num_hidden_layers=2,
    num_attention_heads=3,
    num_key_value_heads=1,
    max_position_embeddings=128,
    original_max_position_embeddings=128,
    rms_norm_eps=1e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    pad_token_id=0,
    tie_word_embeddings=False,
)
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 1000.0,
    "short_factor": [1.0, 1.1, 1.3, 1.5, 2.0, 2.5, 3.0],
    "long_factor": [1.2, 1.7, 2.9, 4.5, 6.0, 7.5, 9.0],
}


def phi3(**changes):
    return Phi3Config(**(UNEVEN_PHI3 | changes))


def su_config(config: Phi3Config, dtype: str) -> dict:
    """As the first folders had it: rope_scaling of type su, rope_theta at top level."""
    written = config.to_dict() | {"torch_dtype": dtype}
    rope = written.pop("rope_parameters")
    scaling = {"type": "su"} | {key: rope[key] for key in ("long_factor", "short_factor")}
    # transformers 5.18 asks for it in this place as well when the type is su.
    scaling["original_max_position_embeddings"] = config.original_max_position_embeddings
    return written | {
        "architectures": ["Phi3ForCausalLM"],
        "rope_scaling": scaling,
        "rope_theta": rope["rope_theta"],
    }


FOLDERS = {
    "phi3": dict(config=phi3(sliding_window=9, hidden_size=44), seed=121, exact=True),
    # The prompt is longer than the original context.
    "phi3-longrope": dict(
        config=phi3(rope_parameters=LONG_ROPE, original_max_position_embeddings=16, num_hidden_layers=1),
        seed=122,
        exact=True,
    ),
    # No context is longer than the original one: the short factors, with a magnitude that the configuration gives.
    "phi3-longrope-short": dict(
        config=phi3(rope_parameters=LONG_ROPE | {"attention_factor": 1.2}, num_hidden_layers=1), seed=123, exact=True
    ),
    "phi3-su": dict(
        config=phi3(rope_parameters=LONG_ROPE, original_max_position_embeddings=16, num_hidden_layers=1),
        seed=124,
        exact=True,
        rewrite=su_config,
    ),
    # 14 · 0.75 = 10 of a head's columns turn.
    "phi3-partial": dict(
        config=phi3(
            rope_parameters={"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": 0.75},
            num_hidden_layers=1,
            tie_word_embeddings=True,
        ),
        seed=125,
        exact=True,
    ),
    # 14 · 0.5 = 7: an odd width, of which the last pair reaches one column further.
    "phi3-partial-odd": dict(
        config=phi3(
            rope_parameters={"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": 0.5},
            num_hidden_layers=1,
        ),
        seed=126,
        exact=True,
    ),
}
