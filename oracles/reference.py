"""Logits of a transformers model in float64 throughout.

`model.double()` is not enough: transformers casts norms, softmax and the rotary table to float32 inside. Those three
are replaced here; everything else (wiring, projections, grouping of heads, activation, the tied head) stays
transformers' own, so that a misreading of the architecture cannot hide in this file.
"""

import math
import types
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AttentionInterface, AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
torch.set_num_threads(1)
torch.set_grad_enabled(False)


def head_width(config) -> int:
    """Elements per attention head."""
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def turned_width(config) -> int:
    """Elements of a head that turn; of an odd number the last takes a neighbour along."""
    return int(head_width(config) * config.rope_parameters.get("partial_rotary_factor", 1.0))


def frequency_divisors(config, tokens: int) -> torch.Tensor:
    """What each rotary frequency is divided by for a sequence of `tokens`, float64 [pairs]."""
    rope = config.rope_parameters
    count = len(base_frequencies(config))
    kind = rope["rope_type"]
    if kind == "default" or (kind == "dynamic" and tokens <= config.max_position_embeddings):
        return torch.ones(count, dtype=torch.float64)
    if kind == "linear":
        return torch.full((count,), float(rope["factor"]), dtype=torch.float64)
    if kind == "longrope":
        length = "long" if tokens > rope["original_max_position_embeddings"] else "short"
        return torch.tensor(rope[f"{length}_factor"], dtype=torch.float64)
    if kind == "yarn":
        return _yarn_divisors(config)
    if kind != "llama3":
        raise ValueError(f"rope_type {kind} has no float64 reference")
    factor, low, high = rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"]
    original = rope["original_max_position_embeddings"]
    divisors = []
    for frequency in base_frequencies(config).tolist():
        turns = original * frequency / (2 * math.pi)
        if turns > high:
            divisors.append(1.0)
        elif turns < low:
            divisors.append(float(factor))
        else:
            kept = (turns - low) / (high - low)
            divisors.append(1 / ((1 - kept) / factor + kept))
    return torch.tensor(divisors, dtype=torch.float64)


def _yarn_divisors(config) -> torch.Tensor:
    rope = config.rope_parameters
    width, theta = turned_width(config), rope["rope_theta"]
    bounds = []
    for turns in (rope.get("beta_fast") or 32, rope.get("beta_slow") or 1):
        wave = rope["original_max_position_embeddings"] / (2 * math.pi * turns)
        bounds.append(width * math.log(wave) / (2 * math.log(theta)))
    low, high = bounds
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    if low == high:
        high += 0.001
    divided = ((torch.arange(width // 2, dtype=torch.float64) - low) / (high - low)).clamp(0, 1)
    return 1 / (divided / rope["factor"] + (1 - divided))


def magnitude(config) -> float:
    """What cosines and sines are multiplied by: the attention factor of yarn and longrope."""
    rope = config.rope_parameters
    kind = rope["rope_type"]
    if kind not in ("yarn", "longrope"):
        return 1.0
    if (given := rope.get("attention_factor")) is not None:
        return given
    original = rope["original_max_position_embeddings"]
    factor = rope.get("factor") or config.max_position_embeddings / original
    if factor <= 1:
        return 1.0
    if kind == "longrope":
        return math.sqrt(1 + math.log(factor) / math.log(original))
    ours, all_dims = rope.get("mscale"), rope.get("mscale_all_dim")
    if ours and all_dims:
        return (0.1 * ours * math.log(factor) + 1) / (0.1 * all_dims * math.log(factor) + 1)
    return 0.1 * math.log(factor) + 1


def base_frequencies(config) -> torch.Tensor:
    """Unscaled rotary frequencies theta^(-2i/width) in radians per position, float64 [pairs]."""
    width = turned_width(config)
    steps = torch.arange(0, width, 2, dtype=torch.float64) / width
    return torch.tensor(config.rope_parameters["rope_theta"], dtype=torch.float64) ** -steps


def _norm(self, x):
    return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))


def _attention(module, query, key, value, attention_mask, scaling, sliding_window=None, **_):
    # One sequence from position 0, so the causal mask is a triangle, or a band of it, and needs no argument.
    key = key.repeat_interleave(module.num_key_value_groups, dim=1)
    value = value.repeat_interleave(module.num_key_value_groups, dim=1)
    scores = query @ key.transpose(2, 3) * scaling
    ones = torch.ones(scores.shape[-2:], dtype=torch.bool)
    hidden = ones.triu(1) | (ones.tril(-sliding_window) if sliding_window else ~ones)
    weights = scores.masked_fill(hidden, -math.inf).softmax(-1)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register("float64", _attention)


def make_float64(model, divisors=None, eps=None):
    """Turns a loaded model into its float64 reference, in place.

    `divisors` and `eps` override what the configuration says, for containers that store them rounded to float32.
    """
    model = model.double().eval()
    model.set_attn_implementation("float64")
    base, scale = base_frequencies(model.config), magnitude(model.config)

    def rotary(x, position_ids):
        tokens = int(position_ids.max()) + 1
        given = frequency_divisors(model.config, tokens) if divisors is None else divisors
        angles = position_ids[..., None].double() * (base / given)
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos() * scale, angles.sin() * scale

    model.model.rotary_emb.forward = rotary
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = types.MethodType(_norm, module)
            if eps is not None:
                module.variance_epsilon = eps
    return model


def load(folder: Path, dtype=torch.float32):
    """A transformers folder as transformers itself reads it, with eager attention."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def empty(config):
    """A model of this configuration whose weights are to be loaded, float64."""
    return AutoModelForCausalLM.from_config(config, dtype=torch.float64, attn_implementation="eager").eval()


def read_config(folder: Path):
    """The configuration of a transformers folder."""
    return AutoConfig.from_pretrained(folder)


def logits(model, ids: np.ndarray) -> torch.Tensor:
    """Logits [tokens, vocabulary] of one sequence, in the model's dtype."""
    return model(torch.from_numpy(ids.astype(np.int64))[None]).logits[0]


def nmse(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Normalised mean squared error: sum of squared differences over sum of squares of `expected`."""
    actual, expected = actual.double(), expected.double()
    return ((actual - expected).pow(2).sum() / expected.pow(2).sum()).item()


def draw_ids(rng: np.random.Generator, vocabulary: int, count: int = 24) -> np.ndarray:
    """Seeded token ids, int32, with the first and the last id of the vocabulary and a repeated token among them."""
    ids = rng.integers(0, vocabulary, count).astype(np.int32)
    ids[3], ids[7], ids[11] = 0, vocabulary - 1, ids[10]
    return ids


def save_golden(path: Path, ids: np.ndarray, expected: torch.Tensor, note: str):
    """Writes `ids` (I32 [tokens]), `logits` (F64 [tokens, vocabulary]) and a note about the recording."""
    # One key only: safetensors writes several in random order.
    save_file({"ids": torch.from_numpy(ids), "logits": expected.contiguous()}, path, metadata={"oracle": note})
