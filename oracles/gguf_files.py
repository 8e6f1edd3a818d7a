"""Records the GGUF goldens: `python oracles/gguf_files.py [NAME ...]`.

Writes a tiny model as llama.cpp's converter would (tensor names, keys, the row order of Q and K), reads the file back,
and computes float64 logits from the values that are stored in it. Not named gguf.py, which would hide the package.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

import checkpoints
import formats
import reference
from checkpoints import GOLDENS
from families.llama import LLAMA3_ROPE, llama
from families.qwen3 import qwen3

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen3": gguf.MODEL_ARCH.QWEN3}
FILE_TYPES = {
    Type.F32: gguf.LlamaFileType.ALL_F32,
    Type.F16: gguf.LlamaFileType.MOSTLY_F16,
    Type.BF16: gguf.LlamaFileType.MOSTLY_BF16,
    Type.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
    Type.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0,
    Type.Q4_1: gguf.LlamaFileType.MOSTLY_Q4_1,
    Type.Q2_K: gguf.LlamaFileType.MOSTLY_Q2_K,
    Type.Q4_K: gguf.LlamaFileType.MOSTLY_Q4_K_M,
    Type.Q5_K: gguf.LlamaFileType.MOSTLY_Q5_K_M,
    Type.IQ4_NL: gguf.LlamaFileType.MOSTLY_IQ4_NL,
}
# Rows are whole blocks of 32; the heads (4 x 24) are still wider than hidden.
WHOLE_BLOCKS = dict(hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2, head_dim=24)
# Rows are whole blocks of 256.
WHOLE_SUPER_BLOCKS = dict(
    vocab_size=37,
    hidden_size=256,
    intermediate_size=256,
    num_hidden_layers=1,
    num_attention_heads=4,
    num_key_value_heads=1,
    head_dim=64,
)
LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}

# name -> configuration, seed, type of the matrices, types of some (by a part of the name, first match), tensors per file
FILES = {
    "gguf-llama-f32": dict(config=llama(), seed=21, type=Type.F32),
    "gguf-llama-llama3-f32": dict(
        config=llama(rope_parameters=LLAMA3_ROPE, tie_word_embeddings=True), seed=22, type=Type.F32
    ),
    "gguf-llama-linear-f16": dict(config=llama(rope_parameters=LINEAR_ROPE), seed=23, type=Type.F16),
    "gguf-llama-q8_0": dict(config=llama(**WHOLE_BLOCKS), seed=24, type=Type.Q8_0),
    "gguf-llama-q4_0": dict(config=llama(**WHOLE_BLOCKS), seed=25, type=Type.Q4_0),
    "gguf-llama-sharded-q8_0": dict(config=llama(**WHOLE_BLOCKS), seed=26, type=Type.Q8_0, tensors_per_file=12),
    "gguf-qwen3-f32": dict(config=qwen3(), seed=27, type=Type.F32),
    "gguf-qwen3-f16": dict(config=qwen3(), seed=28, type=Type.F16),
    "gguf-qwen3-bf16": dict(config=qwen3(tie_word_embeddings=True), seed=29, type=Type.BF16),
    "gguf-qwen3-q8_0": dict(config=qwen3(**WHOLE_BLOCKS, tie_word_embeddings=True), seed=30, type=Type.Q8_0),
    "gguf-llama-q4_1-q5": dict(
        config=llama(**WHOLE_BLOCKS),
        seed=31,
        type=Type.Q4_1,
        others={"blk.0.attn_v": Type.Q5_1, "attn_v": Type.Q5_0, "ffn_down": Type.Q5_1, "ffn_": Type.Q5_0},
    ),
    "gguf-qwen3-iq4_nl-mxfp4": dict(
        config=qwen3(**WHOLE_BLOCKS, tie_word_embeddings=True),
        seed=32,
        type=Type.IQ4_NL,
        others={"blk.1.ffn_": Type.MXFP4, "ffn_gate": Type.MXFP4},
    ),
    "gguf-llama-q4_K_m": dict(
        config=llama(**WHOLE_SUPER_BLOCKS, tie_word_embeddings=True),
        seed=33,
        type=Type.Q4_K,
        others={"attn_v": Type.Q6_K, "token_embd": Type.Q6_K},
    ),
    "gguf-qwen3-q5_K-iq4_xs": dict(
        config=qwen3(**WHOLE_SUPER_BLOCKS, tie_word_embeddings=True),
        seed=34,
        type=Type.Q5_K,
        others={"ffn_": Type.IQ4_XS},
    ),
    "gguf-llama-q2_K-q3_K": dict(
        config=llama(**WHOLE_SUPER_BLOCKS, tie_word_embeddings=True),
        seed=35,
        type=Type.Q2_K,
        others={"attn_v": Type.Q3_K, "attn_output": Type.Q3_K, "ffn_down": Type.Q3_K},
    ),
}
# Formats that the gguf package reads but does not write, and about how many scales d their scale dmin is, so that the
# values have no mean.
RANDOM_TYPES = {Type.Q2_K: 1.5, Type.Q3_K: 0, Type.Q4_K: 7.5, Type.Q5_K: 15.5, Type.Q6_K: 0, Type.IQ4_NL: 0, Type.IQ4_XS: 0}


def interleave(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of Q or K from rotate-halves order to rotate-pairs order, which GGUF's `llama` means: within each head, row
    i of the first half is followed by row i of the second."""
    rows = weight.shape[0] // heads
    return weight.reshape(heads, 2, rows // 2, -1).transpose(0, 2, 1, 3).reshape(weight.shape)


def separate(weight: np.ndarray, heads: int) -> np.ndarray:
    """The inverse of `interleave`."""
    rows = weight.shape[0] // heads
    return weight.reshape(heads, rows // 2, 2, -1).transpose(0, 2, 1, 3).reshape(weight.shape)


def rotated_heads(config, name: str) -> int | None:
    """Heads of a tensor whose rows GGUF orders by pairs, or None where the order is transformers' own."""
    if config.model_type != "llama":
        return None
    if name.endswith("attn_q.weight"):
        return config.num_attention_heads
    return config.num_key_value_heads if name.endswith("attn_k.weight") else None


def gguf_names(config, names) -> dict[str, str]:
    """transformers tensor name -> GGUF tensor name, by the table of the gguf package."""
    table = gguf.get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    return {name: table.get_name(name, try_suffixes=(".weight",)) for name in names}


def store(weight: np.ndarray, type: Type, rng: np.random.Generator) -> np.ndarray:
    """The bytes of a tensor: its values rounded to `type` or, where the gguf package has no quantiser, random blocks whose
    values have the same deviation."""
    if type not in RANDOM_TYPES:
        return gguf.quantize(weight, type)
    elements, size = gguf.GGML_QUANT_SIZES[type]
    blocks = formats.random_blocks(type, weight.size // elements, rng)
    scales = (rng.uniform(0.5, 1.5, len(blocks)), RANDOM_TYPES[type] * rng.uniform(0.8, 1.2, len(blocks)))

    def set_scales(factor: float):
        for at, scale in zip(formats.SCALES[type], scales):
            blocks[:, at : at + 2] = (scale * factor).astype("<f2").view(np.uint8).reshape(-1, 2)

    set_scales(2**-10)
    set_scales(2**-10 * float(weight.std() / gguf.dequantize(blocks, type).std()))
    return blocks.reshape(*weight.shape[:-1], -1)


def stored_type(recipe: dict, name: str) -> Type:
    """The type of a matrix."""
    return next((type for part, type in recipe.get("others", {}).items() if part in name), recipe["type"])


def write(path: Path, config, model, recipe: dict):
    """Writes the model's float32 weights as GGUF, vectors in F32."""
    rng = np.random.default_rng(recipe["seed"])
    architecture = gguf.MODEL_ARCH_NAMES[ARCHITECTURES[config.model_type]]
    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=recipe.get("tensors_per_file", 0))
    add_metadata(writer, config, recipe["type"])
    divisors = reference.frequency_divisors(config, config.max_position_embeddings)
    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", divisors.numpy().astype(np.float32))
    weights = {name: value.numpy().astype(np.float32) for name, value in model.state_dict().items()}
    if config.tie_word_embeddings:
        weights.pop("lm_head.weight")
    for name, target in gguf_names(config, weights).items():
        weight = weights[name]
        heads = rotated_heads(config, target)
        weight = interleave(weight, heads) if heads else weight
        stored = stored_type(recipe, target) if weight.ndim > 1 else Type.F32
        writer.add_tensor(target, store(weight, stored, rng), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_metadata(writer: gguf.GGUFWriter, config, type: Type):
    """The keys that llama.cpp's converter writes for a model without a tokenizer."""
    rope = config.rope_parameters
    width = reference.head_width(config)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("tiny random " + config.model_type)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_file_type(FILE_TYPES[type])
    writer.add_vocab_size(config.vocab_size)
    if config.model_type == "llama":
        writer.add_rope_dimension_count(width)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_tokenizer_model("none")


def read(paths: list[Path]) -> dict[str, np.ndarray]:
    """The values stored in the files of one model, float32, in transformers' shapes."""
    values = {}
    for path in paths:
        for tensor in gguf.GGUFReader(path).tensors:
            shape = [int(size) for size in reversed(tensor.shape)]
            values[tensor.name] = gguf.dequantize(tensor.data, tensor.tensor_type).reshape(shape)
    return values


def reference_logits(paths: list[Path], config, ids: np.ndarray) -> torch.Tensor:
    """Float64 logits from the stored values, eps and frequency divisors rounded as the file stores them."""
    values = read(paths)
    divisors = values.pop("rope_freqs.weight", None)
    model = reference.empty(config)
    names = gguf_names(config, [name for name, _ in model.named_parameters()])
    for name, parameter in model.named_parameters():
        stored = values.pop(names[name])
        heads = rotated_heads(config, names[name])
        parameter.copy_(torch.from_numpy(separate(stored, heads) if heads else stored.copy()))
    if values:
        raise SystemExit(f"{paths[0]}: the reference does not read {sorted(values)}")
    divisors = None if divisors is None else torch.from_numpy(divisors.astype(np.float64))
    eps = float(np.float32(config.rms_norm_eps))
    return reference.logits(reference.make_float64(model, divisors, eps), ids)


def record(name: str):
    """Writes one GGUF golden and its logits, and prints how far the model before storage is from them."""
    recipe = FILES[name]
    config = recipe["config"]
    folder = GOLDENS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        ids = checkpoints.write_folder(Path(scratch), config, recipe["seed"])
        model = reference.load(Path(scratch))
        write(folder / "model.gguf", config, model, recipe)
        before = reference.logits(reference.load(Path(scratch)), ids)
    paths = sorted(folder.glob("*.gguf"))
    expected = reference_logits(paths, config, ids)
    loss = reference.nmse(before, expected)
    reference.save_golden(
        folder / "logits.safetensors",
        ids,
        expected,
        f"transformers 5.18.0, torch 2.13.0, gguf 0.19.0, float64; NMSE of the model before storage {loss:.1e}",
    )
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{name:24} {size:8} bytes in {len(paths)} file(s)  spread {expected.std():5.2f}  nmse of storage {loss:.1e}")


if __name__ == "__main__":
    for name in sys.argv[1:] or FILES:
        record(name)
