"""Records the goldens of the block formats: `python oracles/formats.py`.

Per format random blocks (every code, scales large, negative, subnormal and zero) and the float32 values that the gguf
package gives for them, as tests/formats/goldens/<format>.safetensors: `blocks` U8 [blocks, bytes], `values` F32
[blocks, elements].
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from safetensors.numpy import save_file

GOLDENS = Path(__file__).parent.parent / "tests" / "formats" / "goldens"

# Byte offsets of the binary16 scales of a block; MXFP4 has an exponent at byte 0.
SCALES = {
    Type.Q8_0: [0],
    Type.Q4_0: [0],
    Type.Q4_1: [0, 2],
    Type.Q5_0: [0],
    Type.Q5_1: [0, 2],
    Type.Q2_K: [80, 82],
    Type.Q3_K: [108],
    Type.Q4_K: [0, 2],
    Type.Q5_K: [0, 2],
    Type.Q6_K: [208],
    Type.IQ4_NL: [0],
    Type.IQ4_XS: [0],
    Type.MXFP4: [],
}
# Largest, largest negative, smallest subnormal, its negative, zero, minus zero, smallest normal, one.
EDGES = np.array([0x7BFF, 0xFBFF, 0x0001, 0x8001, 0x0000, 0x8000, 0x0400, 0x3C00], dtype="<u2")


def random_blocks(type: Type, count: int, rng: np.random.Generator) -> np.ndarray:
    """Valid blocks of random bytes, U8 [count, bytes], with scales of every magnitude."""
    elements, size = gguf.GGML_QUANT_SIZES[type]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in SCALES[type]:
        scales = rng.integers(0, 0x7C00, count).astype("<u2") | (rng.integers(0, 2, count).astype("<u2") << 15)
        scales[: len(EDGES)] = np.roll(EDGES, at)[:count]
        blocks[:, at : at + 2] = scales.view(np.uint8).reshape(count, 2)
    if type == Type.MXFP4:
        blocks[:, 0] = rng.integers(0, 252, count)
        blocks[:4, 0] = [0, 1, 2, 251]
    return blocks


def record(type: Type, seed: int):
    """Writes one golden."""
    elements, _ = gguf.GGML_QUANT_SIZES[type]
    blocks = random_blocks(type, 3072 // elements, np.random.default_rng(seed))
    values = gguf.dequantize(blocks, type).reshape(len(blocks), elements)
    assert np.isfinite(values).all(), type
    name = type.name if type.name.endswith("_K") else type.name.lower()
    name = name[0].lower() + name[1:]
    save_file({"blocks": blocks, "values": np.ascontiguousarray(values)}, GOLDENS / f"{name}.safetensors")
    print(f"{name:8} {blocks.nbytes + values.nbytes:6} bytes")


if __name__ == "__main__":
    GOLDENS.mkdir(parents=True, exist_ok=True)
    for seed, type in enumerate(SCALES):
        record(type, 100 + seed)
