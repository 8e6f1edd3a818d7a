"""The tiny models of tests/train/goldens, as transformers makes them at random."""

import json
import shutil
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPT2Config, Qwen3Config

VOCABULARY, LENGTH = 96, 32

MODELS = {
    "qwen3": Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        initializer_range=0.1,
        bos_token_id=0,
        eos_token_id=1,
    ),
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=64,
        n_embd=32,
        n_layer=2,
        n_head=4,
        initializer_range=0.1,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=1,
    ),
}


def write_model(name: str, folder: Path, seed: int):
    """Writes a random model in float32 as a transformers folder."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(MODELS[name], dtype=torch.float32)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config, indent=2) + "\n")


def load_model(folder: Path, dtype: torch.dtype):
    """The model of a folder, ready to train: it has no dropout."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
