"""Tiny Qwen3.5: layers with a recurrent state and layers with gated attention, in several patterns."""

import types
from unittest.mock import patch

import torch
from transformers import Qwen3_5TextConfig
from transformers.models.qwen3_5 import modeling_qwen3_5


# Odd vocabulary, heads wider than hidden / heads, keys and values of different widths, a quarter of a head turned.
UNEVEN_QWEN35 = dict(
    vocab_size=71,
    hidden_size=28,
    intermediate_size=36,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=16,
    linear_conv_kernel_dim=4,
    linear_key_head_dim=10,
    linear_value_head_dim=11,
    linear_num_key_heads=2,
    linear_num_value_heads=4,
    max_position_embeddings=512,
    rms_norm_eps=1e-3,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    tie_word_embeddings=False,
)


def qwen35(**changes):
    return Qwen3_5TextConfig(**(UNEVEN_QWEN35 | changes))


def spread(name, weight):
    """Norm weights are stored less one; decays between 0.2 and 1; convolutions that keep the scale of their input."""
    if name.endswith(("A_log", "dt_bias")):
        return 0.5
    if weight.ndim == 1 and name.endswith("norm.weight") and "linear_attn" not in name:
        return 0.4
    return weight.shape[-1] ** -0.5 if "conv1d" in name else None


def _gated_norm(self, x, gate):
    normed = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
    return self.weight * normed * torch.nn.functional.silu(gate)


def _delta_rule(query, key, value, g, beta, **_):
    """The recurrence as it is defined, token by token; [batch, tokens, heads, width] each, in their dtype."""

    def unit(x):
        return x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + 1e-6)

    query, key = unit(query) / query.shape[-1] ** 0.5, unit(key)
    state = value.new_zeros(*value.shape[:1], value.shape[2], key.shape[-1], value.shape[-1])
    outputs = []
    for t in range(value.shape[1]):
        state = state * g[:, t].exp()[..., None, None]
        known = torch.einsum("bhkv,bhk->bhv", state, key[:, t])
        change = beta[:, t, :, None] * (value[:, t] - known)
        state = state + torch.einsum("bhk,bhv->bhkv", key[:, t], change)
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, query[:, t]))
    return torch.stack(outputs, dim=1), state


def make_float64(model):
    """A loaded Qwen3.5 in float64 throughout: its norms, rotary table, softmax and delta rule are float32 inside."""
    model = model.double().eval()
    model.set_attn_implementation("float64")
    rope = model.config.rope_parameters
    width = int(model.config.head_dim * rope["partial_rotary_factor"])
    frequencies = rope["rope_theta"] ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)

    def rotary(x, position_ids):
        angles = position_ids[0, ..., None].double() * frequencies
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    model.model.rotary_emb.forward = rotary
    for module in model.modules():
        if isinstance(module, modeling_qwen3_5.Qwen3_5RMSNormGated):
            module.forward = types.MethodType(_gated_norm, module)
    plain = model.forward

    def forward(*arguments, **named):
        # Everything else that leaves float64 does so by `.float()`.
        with (
            patch.object(torch.Tensor, "float", torch.Tensor.double),
            patch.object(modeling_qwen3_5, "torch_chunk_gated_delta_rule", _delta_rule),
        ):
            return plain(*arguments, **named)

    model.forward = forward
    return model


FOLDERS = {
    "qwen35": dict(config=qwen35(), seed=31, exact=make_float64, spread=spread),
    # One value head per key head, a window of two, a half of a head turned, biases, full attention first.
    "qwen35-tied-bias": dict(
        config=qwen35(
            num_hidden_layers=3,
            layer_types=["full_attention", "linear_attention", "linear_attention"],
            linear_conv_kernel_dim=2,
            linear_num_key_heads=3,
            linear_num_value_heads=3,
            linear_value_head_dim=9,
            attention_bias=True,
            head_dim=12,
            rope_parameters={"rope_type": "default", "rope_theta": 1000.0, "partial_rotary_factor": 0.5},
            tie_word_embeddings=True,
        ),
        seed=32,
        dtype=torch.bfloat16,
        exact=make_float64,
        spread=spread,
    ),
    # A head of 20 of which a quarter turns: five columns, of which transformers makes three pairs.
    "qwen35-odd-rope": dict(
        config=qwen35(num_hidden_layers=2, full_attention_interval=2, head_dim=20, linear_conv_kernel_dim=3),
        seed=33,
        exact=make_float64,
        spread=spread,
    ),
    # Keys as wide as values: llama.cpp takes no others of this family.
    "qwen35-even": dict(
        config=qwen35(linear_key_head_dim=12, linear_value_head_dim=12, num_hidden_layers=2, full_attention_interval=2),
        seed=34,
        exact=make_float64,
        spread=spread,
    ),
}
