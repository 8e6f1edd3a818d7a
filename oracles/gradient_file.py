"""Writes PyTorch's float64 gradients of any model: `python oracles/gradient_file.py MODEL IDS OUT`.

MODEL is a transformers folder, IDS a JSON array of arrays of token ids of one length, OUT the safetensors file for
`ck parity --train MODEL --ids-file IDS --against OUT`: tensors `loss` and `grad.<checkpoint name>`, as `ck grads` writes them,
rounded to float32.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from gradients import float64_throughout, gradients_by_name, stored


def gradient_file(folder: Path, batch: list[list[int]], out: Path):
    read = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    ids = torch.tensor(batch)
    with float64_throughout():
        # Made anew, so that the frequencies of its angles are float64 too.
        model = type(read)._from_config(read.config, dtype=torch.float64, attn_implementation="eager").eval()
        model.load_state_dict(read.state_dict())
        logits = model(ids).logits[:, :-1]
        targets = ids[:, 1:].reshape(-1)
        loss = torch.nn.functional.cross_entropy(logits.reshape(len(targets), -1), targets)
        loss.backward()
    named = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    found = gradients_by_name(folder, model) | {name: named[name] for name in stored(folder) if name in named}
    tensors = {f"grad.{name}": gradient.float().contiguous() for name, gradient in found.items()}
    save_file({"loss": loss.detach().float(), **tensors}, out)


if __name__ == "__main__":
    gradient_file(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))
