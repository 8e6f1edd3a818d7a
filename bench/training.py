"""PyTorch's side of training.mjs: trains a model and answers one request a line, on standard input, by a line of JSON.

`python training.py FOLDER IDS BATCH LENGTH THREADS [compile]`. FOLDER has a transformers model (`make SHAPE` in its place
writes one), IDS little-endian 32-bit ids. Requests: `step` (seconds and loss of one step), `update` (seconds of
optimizer.step alone), `memory` (the peak in bytes), `end`. What suits PyTorch best is chosen: attention by SDPA, the fused
AdamW, gradients set to none, logits only as [tokens, vocabulary], no copy of ids or targets in a step.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, GPT2Config, Qwen3Config
from transformers.utils import logging

logging.disable_progress_bar()
logging.set_verbosity_error()


def qwen3(vocabulary: int, width: int, layers: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=width // 4,
        max_position_embeddings=256,
        tie_word_embeddings=True,
    )


SHAPES = {
    "gpt2-124m": GPT2Config(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0),
    # A million parameters each: few wide layers, many narrow ones, and half of all in the vocabulary.
    "qwen3-1m": qwen3(vocabulary=2048, width=128, layers=4),
    "qwen3-1m-deep": qwen3(vocabulary=256, width=64, layers=20),
    "qwen3-1m-words": qwen3(vocabulary=8192, width=64, layers=10),
}


def make(shape: str, folder: Path):
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(SHAPES[shape], dtype=torch.float32).save_pretrained(folder)


class Training:
    def __init__(self, folder: str, ids: str, batch: int, length: int, is_compiled: bool):
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa")
        self.model.train()
        stream = torch.from_numpy(np.fromfile(ids, dtype="<i4").astype(np.int64))
        self.batches = [
            (stream[at : at + batch * length].view(batch, length), stream[at + 1 : at + 1 + batch * length])
            for at in range(0, len(stream) - batch * length, batch * length)
        ]
        self.steps = 0
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True
        )
        self.loss_of = torch.compile(self.loss) if is_compiled else self.loss

    def loss(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = self.model(input_ids=ids, use_cache=False).logits
        return torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), targets)

    def step(self) -> dict:
        ids, targets = self.batches[self.steps % len(self.batches)]
        self.steps += 1
        start = time.perf_counter()
        loss = self.loss_of(ids, targets)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return {"loss": loss.item(), "seconds": time.perf_counter() - start}

    def update(self) -> dict:
        """The gradients are those of a batch, and are there before the clock starts."""
        self.loss_of(*self.batches[0]).backward()
        start = time.perf_counter()
        self.optimizer.step()
        seconds = time.perf_counter() - start
        self.optimizer.zero_grad(set_to_none=True)
        return {"seconds": seconds, "parameters": sum(weight.numel() for weight in self.model.parameters())}


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def serve(folder: str, ids: str, batch: str, length: str, threads: str, *more: str):
    torch.set_num_threads(int(threads))
    torch.set_flush_denormal(True)
    training = Training(folder, ids, int(batch), int(length), "compile" in more)
    requests = {"step": training.step, "update": training.update, "memory": lambda: {"bytes": peak_bytes()}}
    for line in sys.stdin:
        if line.strip() == "end":
            return
        print(json.dumps(requests[line.strip()]()), flush=True)


if sys.argv[2] == "make":
    make(sys.argv[3], Path(sys.argv[1]))
else:
    serve(*sys.argv[1:])
