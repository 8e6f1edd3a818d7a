"""Training by torch.optim.AdamW, as a run of runs.py says, and what is recorded of it."""

import math
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from gradients import float64_throughout, vector  # noqa: E402


def rate(run: dict, step: int) -> float:
    """The learning rate of a step, counted from 0. Warm-up rises from 1 / warmup to 1, the cosine falls to `least`."""
    schedule, most = run["schedule"], run["learningRate"]
    if step < schedule.get("warmup", 0):
        return most * (step + 1) / schedule["warmup"]
    if schedule["kind"] == "constant":
        return most
    past = (step - schedule["warmup"]) / (run["steps"] - schedule["warmup"])
    least = schedule["least"]
    return most * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * past)))


def groups(run: dict, model) -> list[dict]:
    """Parameters with decay, and those without."""
    is_decayed = lambda weight: run["decayed"] == "all" or weight.ndim >= 2  # noqa: E731
    weights = list(model.parameters())
    return [
        {"params": [weight for weight in weights if is_decayed(weight)], "weight_decay": run["weightDecay"]},
        {"params": [weight for weight in weights if not is_decayed(weight)], "weight_decay": 0.0},
    ]


def micro_batches(run: dict, data: dict[str, np.ndarray], step: int):
    """Ids and targets of each micro-batch of a step: the data set's rows in order, from the first again at its end."""
    rows, micro = len(data["ids"]), run["microBatches"]
    taken = (step * run["rows"] + np.arange(run["rows"])) % rows
    targets = data[run["targets"]]
    for part in np.split(taken, micro):
        yield torch.from_numpy(data["ids"][part]).long(), torch.from_numpy(targets[part]).long()


def train(run: dict, data: dict[str, np.ndarray], model) -> dict:
    """Losses, norms of the gradient before clipping and rates of every step; the model is left trained."""
    optimizer = torch.optim.AdamW(groups(run, model), lr=0.0, betas=tuple(run["betas"]), eps=run["eps"], foreach=False)
    losses, norms, rates = [], [], []
    for step in range(run["steps"]):
        batches = list(micro_batches(run, data, step))
        total = sum(int((targets >= 0).sum()) for _, targets in batches)
        optimizer.zero_grad()
        loss = 0.0
        for ids, targets in batches:
            logits = model(input_ids=ids, use_cache=False).logits
            flat = logits.reshape(-1, logits.shape[-1])
            summed = torch.nn.functional.cross_entropy(flat, targets.reshape(-1), ignore_index=-1, reduction="sum")
            part = summed / total
            part.backward()
            loss += part.item()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), run["clip"], foreach=False)
        for group in optimizer.param_groups:
            group["lr"] = rate(run, step)
        optimizer.step()
        losses.append(loss)
        norms.append(norm.item())
        rates.append(rate(run, step))
    return {"losses": losses, "gradientNorms": norms, "rates": rates}


def in_float64(run: dict, data: dict[str, np.ndarray], model) -> list[float]:
    """The losses of the same run in float64, which tell what rounding does to them."""
    with float64_throughout():
        return train(run, data, model)["losses"]


def final_weights(model) -> dict:
    """Of every tensor the norm, and the product with a pseudo-random vector (gradients.py), in float64."""
    weights = {name: weight.detach().double().numpy().ravel() for name, weight in model.named_parameters()}
    return {
        name: {"norm": float(np.linalg.norm(values)), "product": float(values @ vector(1, values.size))}
        for name, values in sorted(weights.items())
    }
