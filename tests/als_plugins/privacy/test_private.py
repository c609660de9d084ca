"""A private imitation keeps its epsilon, says so in its record, and refuses what it cannot do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from als_command import als
from opacus.accountants import RDPAccountant
from sklearn.metrics import roc_auc_score

from als_engine.agents.saving import read_record
from als_engine.errors import ArgumentError
from als_plugins.experience.collect import collect
from als_plugins.experience.dataset import open_experience
from als_plugins.imitation.imitate import Imitator, imitate, resume_imitation
from als_plugins.imitation.private import (
    PrivateImitation,
    _gradients_apart,
    learns_from_actions,
)
from als_plugins.imitation.recorded import unit_numbers
from als_plugins.privacy.accounting import EACH, ORDERS, noise_for
from als_plugins.privacy.membership import area_under, membership

ID = "ALS/Tag-v0"
ARGUMENTS = {"sensors": ["entities", "proprioception"], "action_mode": "discrete"}
SMALL = {"net_arch": [8], "imitation_batch": 64, "passes": 0.5, "repeatable": True}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private") / "tag"
    collect(ID, folder, policy="random", episodes=60, worlds=15, arguments=ARGUMENTS)
    return folder


def learn(data: Path, folder: Path | None = None, **config: object):
    return imitate(
        ID, str(data), folder=folder, arguments=ARGUMENTS, device="cpu",
        config={**SMALL, "epsilon": 3.0, "delta": 1e-3, **config},
    )  # fmt: skip


@pytest.fixture(scope="module")
def learnt(data: Path) -> Path:
    learn(data, data.parent / "learnt")
    return data.parent / "learnt"


def test_the_accountants_epsilon_stands_in_the_record(learnt: Path) -> None:
    training = read_record(learnt / "agent").training
    assert training is not None
    (told,) = training.privacy
    assert 2.9 < told.epsilon <= 3.0
    assert (told.delta, told.unit, told.clip, told.repeatable) == (1e-3, "episode", 1.0, True)
    accountant = RDPAccountant()
    for _ in range(told.updates):
        accountant.step(noise_multiplier=told.noise, sample_rate=64 // EACH / told.units)
    assert told.epsilon == pytest.approx(accountant.get_epsilon(1e-3, alphas=[*ORDERS]))


def test_less_epsilon_takes_more_noise() -> None:
    assert noise_for(1.0, 1e-3, 0.1, 100) > 2 * noise_for(8.0, 1e-3, 0.1, 100)
    with pytest.raises(ArgumentError, match="no noise is enough"):
        noise_for(1e-9, 1e-5, 0.5, 1_000_000)


def test_without_noise_an_update_is_the_mean_of_cut_gradients(data: Path) -> None:
    """Against gradients that are taken one unit at a time, without opacus."""
    from als_engine.agents.learners import make_learner
    from als_plugins.imitation.imitate import ImitationJob

    job = ImitationJob(
        scenario=ID, agent="mappo", steps=1_000, source=str(data), method="bc",
        arguments=ARGUMENTS, config={"net_arch": [8]}, device="cpu",
        imitation={"epsilon": 3.0, "delta": 1e-3, "clip": 0.01, "repeatable": True},
    )  # fmt: skip
    imitator = Imitator(job, make_learner(job))
    student, recorded = imitator._student, imitator.recorded
    student.begin()
    assert recorded is not None
    log = SimpleNamespace(add=lambda *given: None)
    with learns_from_actions(student):
        weights = [each for each in student.policy.parameters() if each.requires_grad]
        critic = [n for n, w in student.policy.named_parameters() if not w.requires_grad]
        assert any("value" in name for name in critic)
        sgd = torch.optim.SGD(weights, lr=1.0)
        private = PrivateImitation(
            student, sgd, imitator._parameters, recorded, log, total=1_000, steps=0, seed=5
        )  # type: ignore[arg-type]
        private._optimizer.noise_multiplier = 0.0
        twin = np.random.default_rng()
        twin.bit_generator.state = private._rng.bit_generator.state
        before = [each.detach().clone() for each in weights]
        units = recorded.units("episode")
        chosen = np.flatnonzero(twin.random(len(units)) < private._part)
        wanted = [torch.zeros_like(each) for each in weights]
        for unit in chosen:
            logs = student.judge(recorded.at(twin.choice(units[unit], EACH))).logs
            found = torch.autograd.grad(-logs.mean(), weights)
            norm = torch.sqrt(sum((each**2).sum() for each in found))
            for total, each in zip(wanted, found, strict=True):
                total += each * min(1.0, 0.01 / float(norm))
        with _gradients_apart(student):
            private._update()
    expected = private._optimizer.expected_batch_size
    assert len(chosen) > 1
    for old, new, total in zip(before, weights, wanted, strict=True):
        torch.testing.assert_close(new, old - total / expected, rtol=1e-4, atol=1e-7)
    assert all(each.requires_grad for each in student.policy.parameters())
    assert not any(hasattr(each, "grad_sample") for each in weights)


def test_the_same_seed_gives_the_same_bits_only_where_that_was_asked_for(data: Path) -> None:
    def weights(**config: object) -> bytes:
        state = learn(data, passes=0.1, **config).agent.policy.state_dict()
        return b"".join(each.numpy().tobytes() for each in state.values())

    once = weights()
    assert once == weights()
    assert once != weights(repeatable=False)


def test_what_is_interrupted_goes_on_to_the_same_epsilon_and_no_further(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "als_plugins.learners.clock.REPORT_EVERY", 0.0
    )  # However fast the machine is.

    def stop(progress: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        imitate(
            ID, str(data), folder=folder, arguments=ARGUMENTS, device="cpu",
            checkpoint_every=500, on_progress=Later(stop),
            config={**SMALL, "epsilon": 3.0, "delta": 1e-3},
        )  # fmt: skip
    with pytest.raises(ArgumentError, match="for the steps that it was planned for"):
        resume_imitation(folder, steps=1_000)
    job = (folder / "imitation.json").read_text()
    assert '"steps": 1000' in job
    (folder / "imitation.json").write_text(job.replace('"steps": 1000', f'"steps": {whole(data)}'))
    done = resume_imitation(folder)
    assert done.record.training is not None
    assert 2.9 < done.record.training.privacy[0].epsilon <= 3.0


class Later:
    """Calls something once more than 600 steps have been learnt from."""

    def __init__(self, then) -> None:
        self.then = then

    def __call__(self, progress) -> None:
        if progress.steps > 600:
            self.then(progress)


def whole(data: Path) -> int:
    return open_experience(data).part("train").steps


def test_units_are_episodes_or_all_that_a_person_did(data: Path) -> None:
    lengths = np.array([2, 3, 1])
    assert [[*each] for each in unit_numbers(lengths, None)] == [[0, 1], [2, 3, 4], [5]]
    assert [[*each] for each in unit_numbers(lengths, ["a", "b", "a"])] == [[0, 1, 5], [2, 3, 4]]
    with pytest.raises(ArgumentError, match=r"does not say who acted in .*: use unit=episode"):
        learn(data, unit="person")


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"memory": "gru"}, "use memory=none"),
        ({"encoder": "recurrent"}, "use encoder=mlp"),
        ({"encoder": "attention"}, "use encoder=mlp"),
        ({"delta": 0.5}, "delta must be below one over the"),
    ],
)
def test_what_cannot_be_private_is_refused_in_a_line(
    data: Path, config: dict[str, object], why: str
) -> None:
    with pytest.raises(ArgumentError, match=why):
        learn(data, **config)


def test_who_can_be_asked_for_ever_has_no_epsilon() -> None:
    with pytest.raises(ArgumentError, match="epsilon goes with a dataset"):
        imitate(ID, "expert", arguments=ARGUMENTS, config={"epsilon": 1.0})
    with pytest.raises(ArgumentError, match="action_mode=discrete"):
        imitate(ID, "expert", arguments={**ARGUMENTS, "action_mode": "continuous"},
                config={"epsilon": 1.0})  # fmt: skip


def test_the_area_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    members, others = rng.normal(0.5, 1, 40).round(1), rng.normal(0, 1, 30).round(1)
    truth = np.r_[np.ones(40), np.zeros(30)]
    assert area_under(members, others) == pytest.approx(
        roc_auc_score(truth, np.r_[members, others])
    )


def test_the_attack_is_by_chance_on_a_private_agent_and_says_so(data: Path, learnt: Path) -> None:
    found = membership(learnt, data)
    assert found.members + found.others == 60
    assert found.auc.low <= 0.5 <= found.auc.high
    done = als("data", "membership", learnt, data)
    assert done.code == 0, done.err
    assert "It has learnt with privacy: epsilon" in " ".join(done.out.split())
