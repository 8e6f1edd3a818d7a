"""Records the tiny encoders of tests/parity/embeddings: `python oracles/encoders.py [NAME ...]`.

Each folder holds a random BERT and `embedding.safetensors`: `ids` (I32), and the pooled last hidden state, of length 1, of all
of them (`embedding`, F64) and of the first five (`short`).
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertConfig, BertForMaskedLM, BertModel

import checkpoints
import reference

EMBEDDINGS = Path(__file__).resolve().parent.parent / "tests" / "parity" / "embeddings"
SHORT = 5

UNEVEN_BERT = dict(
    vocab_size=103,
    hidden_size=42,
    num_hidden_layers=2,
    num_attention_heads=6,
    intermediate_size=61,
    max_position_embeddings=77,
    type_vocab_size=3,
    layer_norm_eps=1e-3,
)


def bert(**changes):
    return BertConfig(**(UNEVEN_BERT | changes))


def spread(name: str, weight: torch.Tensor) -> float | None:
    """Embeddings differ enough that a wrong one shows, scores enough that a wrong token does."""
    if weight.ndim == 1:
        return None
    if "embeddings" in name:
        return 0.7
    return (2.0 if "query" in name or "key" in name else 1.0) * weight.shape[1] ** -0.5


def first_published(folder: Path):
    """Norms as the first published checkpoints call them, and a buffer of positions."""
    path = folder / "model.safetensors"
    names = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    tensors = {}
    for name, tensor in load_file(path).items():
        for new, old in names.items():
            name = name.replace(new, old)
        tensors[name] = tensor
    tensors["bert.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(tensors, path, metadata={"format": "pt"})


# name -> class, configuration, seed, dtype on disk, pooling (None: no file says), what is done to the folder
FOLDERS = {
    "bert": dict(kind=BertModel, config=bert(), seed=70, pooling=None),
    "bert-cls": dict(
        kind=BertModel,
        config=bert(hidden_size=64, intermediate_size=96, num_attention_heads=4, hidden_act="relu", type_vocab_size=1),
        seed=71,
        pooling="cls_token",
        dtype=torch.float16,
    ),
    "bert-masked": dict(
        kind=BertForMaskedLM,
        config=bert(hidden_act="gelu_new", num_hidden_layers=1),
        seed=72,
        pooling="mean_tokens",
        after=first_published,
    ),
}


def record(name: str, kind, config, seed: int, pooling, dtype=torch.float32, after=None):
    """Writes one folder and its embeddings, and prints how far transformers' own float32 is from them."""
    folder = EMBEDDINGS / name
    rng = np.random.default_rng(seed)
    model = kind(config).double()
    checkpoints.fill(model, rng, spread)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder)
    if after:
        after(folder)
    if pooling:
        (folder / "1_Pooling").mkdir()
        modes = {f"pooling_mode_{mode}": mode == pooling for mode in ("cls_token", "mean_tokens", "max_tokens")}
        text = json.dumps({"word_embedding_dimension": config.hidden_size} | modes, indent=2)
        (folder / "1_Pooling" / "config.json").write_text(text + "\n")
    ids = reference.draw_ids(rng, config.vocab_size)

    def embed(model, count):
        hidden = model(torch.from_numpy(ids[:count].astype(np.int64))[None]).last_hidden_state[0]
        pooled = hidden[0] if pooling == "cls_token" else hidden.mean(0)
        return torch.nn.functional.normalize(pooled, dim=0)

    load = lambda dtype: AutoModel.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
    exact = load(torch.float64)
    embedding, short = embed(exact, len(ids)), embed(exact, SHORT)
    single = reference.nmse(embed(load(torch.float32), len(ids)), embedding)
    save_file(
        {"ids": torch.from_numpy(ids), "embedding": embedding.contiguous(), "short": short.contiguous()},
        folder / "embedding.safetensors",
        metadata={"oracle": f"transformers 5.18.0, torch 2.13.0, float64; NMSE of transformers' float32 {single:.1e}"},
    )
    print(f"{name:16} nmse f32 {single:.1e}  between texts {reference.nmse(short, embedding):.2f}")


if __name__ == "__main__":
    for name in sys.argv[1:] or FOLDERS:
        record(name, **FOLDERS[name])
