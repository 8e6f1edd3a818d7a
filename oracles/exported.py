"""Loads what `ck export --format transformers` writes of the goldens in tests/parity: `python oracles/exported.py [NAME ...]`.

Needs a built dist/ (npm run build). For every folder and GGUF file: transformers' own class must find every weight and no
other, and its float32 logits must be those of the recording; those of a folder must be the folder's own, bit for bit.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
logging.set_verbosity_error()
torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "tests" / "parity" / "goldens"
# Float32 against float64 of the recordings.
MOST_NMSE = 1e-9


def logits_of(folder: Path, ids: torch.Tensor) -> torch.Tensor:
    # The other implementations leave out the soft caps of Gemma 2.
    options = dict(dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    model, info = AutoModelForCausalLM.from_pretrained(folder, **options)
    for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[key] and folder.parent != GOLDENS:
            raise SystemExit(f"{folder.name}: {key} {sorted(info[key])}")
    with torch.no_grad():
        return model.eval()(ids[None]).logits[0]


def check(name: str, out: Path) -> str:
    golden = GOLDENS / name
    source = next(golden.glob("*.gguf"), golden)
    command = ["node", ROOT / "dist" / "cli" / "main.js", "export", source, out, "--format", "transformers"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{name}: refused: {done.stderr.strip()}")
    recorded = load_file(golden / "logits.safetensors")
    found = logits_of(out, recorded["ids"].long())
    wanted = recorded["logits"].reshape(found.shape)
    nmse = ((found.double() - wanted) ** 2).mean() / (wanted**2).mean()
    if nmse >= MOST_NMSE:
        raise SystemExit(f"{name}: NMSE {nmse:.1e}")
    if source != golden:
        return f"NMSE {nmse:.1e}"
    own = logits_of(golden, recorded["ids"].long())
    if not torch.equal(own, found):
        raise SystemExit(f"{name}: differs from the folder's own by {(own - found).abs().max():.1e}")
    return f"NMSE {nmse:.1e}, bits equal"


def main() -> None:
    names = sys.argv[1:] or sorted(path.name for path in GOLDENS.iterdir() if path.is_dir())
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            print(f"{name:28} {check(name, Path(folder) / name)}", flush=True)


main()
