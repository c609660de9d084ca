"""AdaLoRA's ranks are those that peft's own allocator keeps, and every checkpoint goes on alike."""

from __future__ import annotations

import copy

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from peft import AdaLoraConfig
from peft.tuners.adalora.layer import RankAllocator

from als_plugins.encoders.adalora import RankBudget
from als_plugins.encoders.saving import make_encoder
from als_plugins.encoders.tuning import tuned

SPACE = gymnasium.spaces.Dict({"proprioception": Box(-1, 1, (12,), np.float32)})
RANK, STEPS = 4, 10
SMALL = {"width": 16, "heads": 2, "features": 8}
SEEN = {"proprioception": torch.randn(16, 12, generator=torch.Generator().manual_seed(0))}


def made(seed: int = 0):
    torch.manual_seed(seed)
    return tuned(make_encoder("attention", SPACE, SMALL), "adalora", RANK, STEPS)


def learn(encoder, optimizer, steps: int, before_step=lambda: None) -> None:
    for _ in range(steps):
        loss = (encoder(SEEN) - torch.linspace(-1, 1, encoder.features)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        before_step()
        optimizer.step()
    encoder(SEEN)  # Sets what is over the budget to 0.


class _Used:
    """An encoder's parameters as far as the loss depends on them: peft knows no others."""

    def __init__(self, encoder) -> None:
        self._encoder = encoder

    def named_parameters(self):
        return ((n, w) for n, w in self._encoder.named_parameters() if w.grad is not None)


def adam(encoder):
    return torch.optim.Adam([w for w in encoder.parameters() if w.requires_grad], 0.01)


def ranks(encoder) -> list[torch.Tensor]:
    return [w.detach()[:, 0] for n, w in encoder.named_parameters() if "lora_E" in n]


def test_the_additions_alone_learn_and_are_nothing_at_first() -> None:
    torch.manual_seed(0)
    plain = make_encoder("attention", SPACE, SMALL)
    before = plain(SEEN).detach()
    encoder = tuned(copy.deepcopy(plain), "adalora", RANK, STEPS)
    assert torch.equal(encoder(SEEN), before)
    assert {n.split(".lora_")[1][0] for n, w in encoder.named_parameters() if w.requires_grad} == {
        "A", "B", "E"
    }  # fmt: skip
    learn(encoder, adam(encoder), 2)
    assert not torch.equal(encoder(SEEN), before)


def test_the_budget_comes_down_to_the_rank_and_stays_there() -> None:
    encoder = made()
    optimizer, left = adam(encoder), []
    assert {len(each) for each in ranks(encoder)} == {6}
    for _ in range(STEPS + 3):
        learn(encoder, optimizer, 1)
        left.append(sum(int(each.count_nonzero()) for each in ranks(encoder)))
    # Layers that nothing goes through take no part.
    layers = int(encoder.get_submodule("rank_budget").used.sum())
    assert 1 < layers < len(ranks(encoder))
    assert left == sorted(left, reverse=True)
    assert left[0] == 6 * layers
    assert left[STEPS:] == [RANK * layers] * 3


def test_pefts_own_allocator_keeps_the_same_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step before anything has been set to 0: sensitivities, scores and what goes."""
    encoder = made()
    budget = encoder.get_submodule("rank_budget")
    assert isinstance(budget, RankBudget)
    config = AdaLoraConfig(target_r=RANK, init_r=6, total_step=STEPS)
    allocator = RankAllocator(encoder, config, "default")
    optimizer = adam(encoder)
    monkeypatch.setattr(RankBudget, "budget", 6 * len(ranks(encoder)))
    learn(encoder, optimizer, 4, lambda: allocator.update_ipt(_Used(encoder)))
    parameters = dict(encoder.named_parameters())
    for part in "EAB":
        for i, name in enumerate(n for n in parameters if f"lora_{part}" in n):
            if parameters[name].grad is not None:
                for ours, theirs in (
                    ("sensitivity", allocator.exp_avg_ipt),
                    ("uncertainty", allocator.exp_avg_unc),
                ):
                    torch.testing.assert_close(getattr(budget, f"{ours}_{part}{i}"), theirs[name])
    twin = copy.deepcopy(encoder)
    keep = RANK * int(budget.used.sum())
    for name in (n for n in parameters if "lora_" in n):  # peft asks for those without gradients.
        allocator.exp_avg_ipt.setdefault(name, torch.zeros_like(parameters[name]))
        allocator.exp_avg_unc.setdefault(name, torch.zeros_like(parameters[name]))
    allocator.mask_to_budget(twin, keep)
    monkeypatch.setattr(RankBudget, "budget", keep)
    budget.fresh.fill_(True)
    encoder(SEEN)
    for ours, theirs in zip(ranks(encoder), ranks(twin), strict=True):
        assert torch.equal(ours, theirs)


def test_what_goes_on_from_a_checkpoint_comes_to_the_same_bits() -> None:
    whole, again = made(), made(1)
    optimizer = adam(whole)
    learn(whole, optimizer, 4)
    again.load_state_dict(copy.deepcopy(whole.state_dict()))
    other = adam(again)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    learn(whole, optimizer, 8)
    learn(again, other, 8)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
