"""A private forecaster keeps its epsilon, chooses nothing by others' data, and goes on exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from als_command import als
from made_tracks import made_tracks
from opacus.accountants import RDPAccountant

from als_engine.errors import ArgumentError
from als_plugins.forecast.forecaster import Forecaster, read_forecaster
from als_plugins.forecast.private import PrivateSteps
from als_plugins.forecast.problems import make_problem
from als_plugins.forecast.tracks import write_tracks
from als_plugins.forecast.training import Job, _record, _Run, train_forecaster
from als_plugins.privacy.accounting import EACH, ORDERS

TRACKS = made_tracks(scenes=40)
JOB = Job(
    model="gru", history=1.0, horizon=2.0, hidden=8, modes=2, batch=32, steps=6, others=0,
    epsilon=3.0, delta=0.01, repeatable=True, checkpoint_every=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Forecaster]:
    folder = tmp_path_factory.mktemp("private") / "run"
    forecaster = train_forecaster(TRACKS, folder, JOB)
    assert forecaster is not None
    return folder, forecaster


def test_the_accountants_epsilon_stands_in_the_record(made: tuple[Path, Forecaster]) -> None:
    trained = read_forecaster(made[0]).record.trained
    told = trained.privacy
    assert told is not None
    assert 2.5 < told.epsilon <= 3.0
    assert (told.unit, told.units, told.updates) == ("scene", 30, 6)
    accountant = RDPAccountant()
    for _ in range(6):
        accountant.step(noise_multiplier=told.noise, sample_rate=JOB.batch // EACH / 30)
    assert told.epsilon == pytest.approx(accountant.get_epsilon(0.01, alphas=[*ORDERS]))


def test_nothing_is_chosen_by_the_validation_part(
    made: tuple[Path, Forecaster], tmp_path: Path
) -> None:
    position = TRACKS.position.copy()
    position[TRACKS.part == 1] *= 3.0
    other = train_forecaster(replace(TRACKS, position=position), tmp_path / "run", JOB)
    assert other is not None
    assert (other.record.trained.loss, other.record.scale) == (None, [])
    assert same_weights(other, made[1])


def same_weights(one: Forecaster, other: Forecaster) -> bool:
    assert one.network is not None
    assert other.network is not None
    states = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_was_interrupted_comes_to_the_same_bits_where_that_was_asked_for(
    made: tuple[Path, Forecaster], tmp_path: Path
) -> None:
    seen = []

    def third() -> bool:
        seen.append(1)
        return len(seen) == 3

    assert train_forecaster(TRACKS, tmp_path / "run", JOB, should_stop=third) is None
    again = train_forecaster(TRACKS, tmp_path / "run", JOB)
    assert again is not None
    assert same_weights(again, made[1])
    secret = train_forecaster(
        TRACKS, tmp_path / "other", JOB.model_copy(update={"repeatable": False})
    )
    assert secret is not None
    assert not same_weights(secret, made[1])


def test_without_noise_a_step_is_the_mean_of_cut_gradients() -> None:
    job = JOB.model_copy(update={"clip": 0.05, "batch": 128})
    problem = make_problem(_record(TRACKS, job), TRACKS, 0, "scene")
    run = _Run(job, problem, None)  # type: ignore[arg-type]
    sgd = torch.optim.SGD(run.network.parameters(), lr=1.0)
    private = PrivateSteps(job, run.network, sgd, problem.train, problem.units)
    private._optimizer.noise_multiplier = 0.0
    private._seed(4)
    twin = np.random.default_rng(4)
    weights = [*run.network.parameters()]
    wanted = [each.detach().clone() for each in weights]
    chosen = np.flatnonzero(twin.random(30) < private._part)
    assert len(chosen) > 1
    for unit in chosen:
        rows = torch.from_numpy(twin.choice(problem.units[unit], EACH))
        loss = run.network.loss(*(each[rows] for each in problem.train))  # type: ignore[operator]
        found = torch.autograd.grad(loss, weights)
        norm = float(torch.sqrt(sum((each**2).sum() for each in found)))
        for total, each in zip(wanted, found, strict=True):
            total -= each * min(1.0, 0.05 / norm) / private._optimizer.expected_batch_size
    private._job = job.model_copy(update={"repeatable": False})
    private.take(0)
    for new, total in zip(weights, wanted, strict=True):
        torch.testing.assert_close(new.detach(), total, rtol=1e-4, atol=1e-7)


def test_units_are_scenes_or_all_that_a_person_walked() -> None:
    record = _record(TRACKS, JOB)
    scenes = make_problem(record, TRACKS, 0, "scene").units
    people = make_problem(record, TRACKS, 0, "person").units
    assert (len(scenes), len(people)) == (30, 2)
    assert sorted(np.concatenate(scenes)) == sorted(np.concatenate(people))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "kalman"}, "epsilon goes with networks of paths"),
        ({"task": "gap"}, "epsilon goes with networks of paths"),
        ({"model": "social", "unit": "person"}, "use unit=scene"),
        ({"delta": 0.5}, "delta must be below one over the 30 scenes"),
    ],
)
def test_what_cannot_be_private_is_refused_in_a_line(
    changes: dict[str, object], why: str, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match=why):
        train_forecaster(TRACKS, tmp_path / "run", JOB.model_copy(update=changes))


def test_the_attack_says_how_private_a_forecaster_is(
    made: tuple[Path, Forecaster], tmp_path: Path
) -> None:
    write_tracks(TRACKS, tmp_path / "tracks")
    done = als("data", "membership", made[0], tmp_path / "tracks")
    assert done.code == 0, done.err
    said = " ".join(done.out.split())
    assert "one of 30 scenes that it has learnt from is told from one of 10 others" in said
    assert "for one scene of 30, but its noise can be taken out" in said
