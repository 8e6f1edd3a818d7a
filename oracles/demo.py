"""Records tests/parity/goldens/demo-float64.json: `python oracles/demo.py`, after `node bench/goldens.mjs --record PLAY`.

The greedy continuation that models/demo.gguf has in float64, from the values the file stores, for the prompt of
demo-llama.cpp.json. Stops where the two disagree: then the prompt has a near tie and another should be taken.
"""

import json

import numpy as np
import torch
from transformers import Qwen3Config

import gguf_files
import reference
from checkpoints import GOLDENS

MODEL = GOLDENS.parent.parent.parent / "models" / "demo.gguf"
CONFIG = Qwen3Config(
    vocab_size=2048,
    hidden_size=256,
    intermediate_size=768,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=64,
    max_position_embeddings=1024,
    rms_norm_eps=1e-6,
    rope_parameters={"rope_type": "default", "rope_theta": 1000000.0},
    tie_word_embeddings=True,
)


def main():
    peer = json.loads((GOLDENS / "demo-llama.cpp.json").read_text())
    prompt, greedy = peer["prompt"], peer["greedy"]
    ids = np.array(prompt + greedy, dtype=np.int32)
    rows = gguf_files.reference_logits([MODEL], CONFIG, ids)[len(prompt) - 1 : -1]
    # Every choice is judged behind the peer's own choices, so agreement at each step is agreement of the whole text.
    best = rows.topk(2).values
    if rows.argmax(-1).tolist() != greedy:
        raise SystemExit("float64 and llama.cpp choose differently")
    first = torch.sort(rows[0], descending=True, stable=True)
    golden = {
        "recordedBy": "transformers 5.18.0, torch 2.13.0, gguf 0.19.0, float64",
        "model": "models/demo.gguf",
        "prompt": prompt,
        "greedy": greedy,
        "smallestMargin": round((best[:, 0] - best[:, 1]).min().item(), 4),
        "lastPromptTop10": [{"id": first.indices[i].item(), "logit": first.values[i].item()} for i in range(10)],
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items()]
    (GOLDENS / "demo-float64.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    distance = max(abs(entry["logit"] - rows[0, entry["id"]].item()) for entry in peer["lastPromptTop10"])
    print(f"smallest margin {golden['smallestMargin']}, llama.cpp's top 10 differ by at most {distance:.1e}")


if __name__ == "__main__":
    main()
