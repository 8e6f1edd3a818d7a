"""Records what optimizers and schedules do: `python oracles/optimizers.py tests/train/optimizers.json`.

Optimizers take 20 steps on three tensors with pseudo-random gradients, in float64: AdamW and SGD are those of PyTorch, Lion and
Muon are written out from their papers' pseudocode, and Muon is compared with torch.optim.Muon as far as bfloat16 goes. Of
every run the tensors after the first and the last step, and the norms of the gradients. Schedules are those of transformers.
"""

import json
import math
import sys
from pathlib import Path

import torch
from transformers import optimization

from gradients import vector

torch.set_num_threads(1)

STEPS = 20
SHAPES = {"wide": (6, 11), "tall": (9, 4), "gain": (13,)}
DECAY = {"wide": 0.1, "tall": 0.1, "gain": 0.0}


def numbers(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Pseudo-random numbers from -1 to 1, rounded to float32."""
    return torch.tensor(vector(seed, math.prod(shape))).float().double().reshape(shape)


def weights() -> dict[str, torch.Tensor]:
    return {name: numbers(at + 1, shape).requires_grad_() for at, (name, shape) in enumerate(SHAPES.items())}


def gradient(step: int, at: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Some steps have gradients whose norm is clipped, others none."""
    return numbers(1000 * step + at + 7, shape) * (0.125, 1.0, 0.5)[step % 3]


def rate(step: int) -> float:
    return 0.02 * (1 - step / 40)


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, groups, lr, betas):
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), lr = group["betas"], group["lr"]
            for weight in group["params"]:
                mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
                step = torch.sign(beta1 * mean + (1 - beta1) * weight.grad)
                weight -= lr * (step + group["weight_decay"] * weight)
                mean.copy_(beta2 * mean + (1 - beta2) * weight.grad)


def orthogonal(direction: torch.Tensor) -> torch.Tensor:
    """Jordan 2024: five rounds of the quintic (3.4445, -4.7750, 2.0315)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = direction.T if direction.shape[0] > direction.shape[1] else direction
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if direction.shape[0] > direction.shape[1] else x


class Muon(torch.optim.Optimizer):
    def __init__(self, groups, lr, scale):
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0, "momentum": 0.95, "nesterov": True})
        self.scale = scale

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for weight in group["params"]:
                velocity = self.state[weight].setdefault("velocity", torch.zeros_like(weight))
                velocity.copy_(momentum * velocity + (1 - momentum) * weight.grad)
                ahead = momentum * velocity + (1 - momentum) * weight.grad if group["nesterov"] else velocity
                rows, cols = weight.shape
                factor = math.sqrt(max(1, rows / cols)) if self.scale == "shape" else 0.2 * math.sqrt(max(rows, cols))
                weight *= 1 - lr * group["weight_decay"]
                weight -= lr * factor * orthogonal(ahead)


def run(optimizers: list[tuple[torch.optim.Optimizer, float]], tensors: dict[str, torch.Tensor], clip=None, average=None):
    """The tensors after the first and the last step, the norms, and the moving averages."""
    values, norms = {}, []
    averages = {name: tensor.detach().clone() for name, tensor in tensors.items()}
    for step in range(STEPS):
        for at, (name, tensor) in enumerate(tensors.items()):
            tensor.grad = gradient(step, at, SHAPES[name])
        norm = torch.nn.utils.clip_grad_norm_(tensors.values(), math.inf if clip is None else clip)
        norms.append(norm.item())
        for optimizer, factor in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = factor * rate(step)
            optimizer.step()
        for name, tensor in tensors.items():
            averages[name].lerp_(tensor.detach(), 1 - (average or 0))
        if step in (0, STEPS - 1):
            values[step + 1] = {name: tensor.detach().flatten().tolist() for name, tensor in tensors.items()}
    result = {"values": values, "norms": norms}
    return result if average is None else {**result, "averages": {k: v.flatten().tolist() for k, v in averages.items()}}


def groups(tensors: dict[str, torch.Tensor], names=tuple(SHAPES)) -> list[dict]:
    return [{"params": [tensors[name]], "weight_decay": DECAY[name]} for name in names]


def trajectories() -> list[dict]:
    cases = []

    def record(name: str, settings: dict, make, **options):
        tensors = weights()
        cases.append({"name": name, **settings, **options, **run(make(tensors), tensors, **options)})

    adam = {"betas": (0.9, 0.99), "eps": 1e-6}
    adam_settings = {"kind": "adamW", "beta1": 0.9, "beta2": 0.99, "eps": 1e-6}
    for name, options in {"AdamW": {}, "AdamW, clipped, with an average": {"clip": 1.5, "average": 0.9}}.items():
        record(name, {"optimizer": adam_settings}, lambda t: [(torch.optim.AdamW(groups(t), **adam), 1)], **options)
    for momentum, nesterov, options in ((0.0, False, {}), (0.9, False, {"clip": 1.5}), (0.9, True, {"clip": 1.5})):
        settings = {"kind": "sgd", "momentum": momentum, "nesterov": nesterov}
        record(
            f"SGD, momentum {momentum}{', Nesterov' if nesterov else ''}",
            {"optimizer": settings},
            lambda t, m=momentum, n=nesterov: [(torch.optim.SGD(groups(t), lr=1, momentum=m, nesterov=n), 1)],
            **options,
        )
    record(
        "Lion",
        {"optimizer": {"kind": "lion", "beta1": 0.9, "beta2": 0.99}},
        lambda t: [(Lion(groups(t), 1, (0.9, 0.99)), 1)],
        clip=1.5,
    )
    for scale in ("shape", "adamW"):
        others = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-6, "rate": 0.25}
        settings = {"kind": "muon", "momentum": 0.95, "nesterov": True, "scale": scale, "others": others}
        record(
            f"Muon, scaled by {scale}",
            {"optimizer": settings},
            lambda t, s=scale: [
                (Muon(groups(t, ("wide", "tall")), 1, s), 1),
                (torch.optim.AdamW(groups(t, ("gain",)), **adam), 0.25),
            ],
            **({"clip": 1.5} if scale == "shape" else {}),
        )
    return cases


def compare_muon() -> None:
    """Ours and PyTorch's, which multiplies in bfloat16: a step must not differ by more than that makes of it."""
    for scale, theirs in (("shape", "original"), ("adamW", "match_rms_adamw")):
        ours, other = weights(), weights()
        run([(Muon(groups(ours, ("wide", "tall")), 1, scale), 1)], ours)
        torch_muon = torch.optim.Muon(groups(other, ("wide", "tall")), lr=1, adjust_lr_fn=theirs)
        run([(torch_muon, 1)], other)
        for name in ("wide", "tall"):
            error = (ours[name] - other[name]).abs().max().item()
            print(f"Muon, {scale}, {name}: differs by {error:.1e} from torch.optim.Muon after {STEPS} steps")
            assert error < 0.02


def schedules() -> list[dict]:
    def lambdas(make, **settings) -> list[float]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = make(optimizer, **settings)
        factors = []
        for _ in range(43):
            factors.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        return factors

    cases = []
    for warmup in (0, 5):
        constant = lambdas(optimization.get_constant_schedule_with_warmup, num_warmup_steps=warmup)
        cases.append({"schedule": {"kind": "constant", "warmup": warmup}, "factors": constant})
        common = {"num_warmup_steps": warmup, "num_training_steps": 40}
        for final in (0.0, 0.1):
            settings = {"warmup": warmup, "steps": 40, "final": final}
            linear = lambdas(
                optimization.get_polynomial_decay_schedule_with_warmup, lr_end=final or 1e-300, power=1.0, **common
            )
            cases.append({"schedule": {"kind": "linear", **settings}, "factors": linear})
            # Beyond the last step transformers' cosine rises again, which no run sees.
            cosine = lambdas(optimization.get_cosine_with_min_lr_schedule_with_warmup, min_lr_rate=final, **common)
            cases.append({"schedule": {"kind": "cosine", **settings}, "factors": cosine[:41]})
            for shape, theirs in (("linear", "linear"), ("cosine", "cosine"), ("root", "1-sqrt")):
                wsd = lambdas(
                    optimization.get_wsd_schedule, num_decay_steps=12, decay_type=theirs, min_lr_ratio=final, **common
                )
                cases.append({"schedule": {"kind": "wsd", "decay": 12, "shape": shape, **settings}, "factors": wsd})
    return cases


def main() -> None:
    compare_muon()
    record = {"steps": STEPS, "shapes": SHAPES, "decay": DECAY, "runs": trajectories(), "schedules": schedules()}
    path = Path(sys.argv[1])
    path.write_text(json.dumps(record, separators=(",", ":")) + "\n")
    print(f"{path}: {len(record['runs'])} runs, {len(record['schedules'])} schedules, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
