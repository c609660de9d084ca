"""Sites learn together, weights alone leave them, and an interruption changes no bit."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from als_command import als
from hypothesis import given
from hypothesis import strategies as st

from als_engine.agents.saving import load_agent, read_record
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.protocol import evaluate
from als_plugins.experience.collect import collect
from als_plugins.imitation.recorded import open_recorded
from als_plugins.privacy import federated
from als_plugins.privacy.federated import (
    FederationFolder,
    FederationJob,
    average,
    federate,
    go_on,
)

ID = "ALS/Tag-v0"
ARGUMENTS = {"sensors": ["proprioception"], "action_mode": "discrete"}
CONFIG = {"net_arch": [8], "imitation_batch": 64}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sites")
    for name, episodes in (("north", 6), ("south", 2)):
        collect(ID, folder / name, policy="random", episodes=episodes, worlds=4,
                arguments=ARGUMENTS)  # fmt: skip
    return [folder / "north", folder / "south"]


@pytest.fixture(scope="module")
def done(sites: list[Path]) -> Path:
    folder = sites[0].parent / "done"
    found = federate(ID, sites, folder, rounds=2, arguments=ARGUMENTS, config=CONFIG)
    assert (found.round, found.stopped) == (2, False)
    assert found.steps[0] > found.steps[1]
    return folder


def weights(folder: Path) -> bytes:
    state = load_agent(folder)[0].policy.state_dict()  # type: ignore[attr-defined]
    return b"".join(each.numpy().tobytes() for each in state.values())


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(1, 10_000)), min_size=1, max_size=5))
def test_weights_are_averaged_by_how_much_a_site_has(sites: list[tuple[float, int]]) -> None:
    values, counts = zip(*sites, strict=True)
    found = average([{"w": np.array([value])} for value in values], counts)
    assert found["w"] == pytest.approx(np.average(values, weights=counts), abs=1e-6)
    assert min(values) - 1e-6 <= found["w"][0] <= max(values) + 1e-6


def test_an_agent_comes_of_it_that_is_like_any_other(done: Path) -> None:
    record = read_record(done / "agent")
    assert record.training is not None
    assert record.training.demonstrated > 0
    played = evaluate(load_agent(done)[0], ID, 1, num_worlds=1, arguments=record.arguments)
    assert played.episodes == 1


def test_no_byte_of_an_observation_is_in_what_is_written(done: Path, sites: list[Path]) -> None:
    from als_plugins.experience.dataset import open_experience

    seen = open_experience(sites[0]).part("train").windows(1).take(np.arange(3)).observation
    marks = [row.tobytes() for row in seen["proprioception"]]
    written = b"".join(path.read_bytes() for path in done.rglob("*") if path.is_file())
    assert not any(mark in written for mark in marks)


def test_an_interruption_changes_no_bit(done: Path, tmp_path: Path) -> None:
    """A run that was killed after its first round has its checkpoint, and no agent."""
    shutil.copytree(done, tmp_path / "run")
    for later in ("agent", f"checkpoints/{2:012d}"):
        shutil.rmtree(tmp_path / "run" / later)
    assert not go_on(tmp_path / "run").stopped
    assert weights(tmp_path / "run") == weights(done)
    with pytest.raises(ArgumentError, match="has come through all its 2 rounds"):
        go_on(tmp_path / "run")


def test_ctrl_c_ends_it_after_a_whole_round(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without processes: a site that answers what it was sent."""

    class Echo:
        def __init__(self, job: object, number: int) -> None:
            self.pipe, self._said = self, 10

        def __enter__(self) -> Echo:
            return self

        def __exit__(self, *given: object) -> None:
            pass

        def send_bytes(self, message: bytes) -> None:
            self._said = (0.5, message[8:], None)  # type: ignore[assignment]

        def recv(self) -> object:
            return self._said

    monkeypatch.setattr(federated, "_site", Echo)

    def interrupt(round: int, rounds: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    job = FederationFolder(done).job()
    found = federate(ID, job.sites, tmp_path / "run", rounds=3, arguments=ARGUMENTS, config=CONFIG,
                     on_round=interrupt)  # fmt: skip
    assert (found.round, found.stopped, found.losses) == (1, True, (0.5, 0.5))
    assert go_on(tmp_path / "run").round == 3


def test_a_site_keeps_its_epsilon_over_all_rounds(sites: list[Path]) -> None:
    """What a site's process does in each round, without the process."""
    job = FederationJob(
        scenario=ID, sites=[str(each) for each in sites], rounds=2, arguments=ARGUMENTS,
        config={"net_arch": [8]},
        imitation={"imitation_batch": 64, "epsilon": 3.0, "delta": 0.01, "repeatable": True},
    )  # fmt: skip
    learner = federated._learner(job)
    data = open_recorded(job.sites[0], ID, learner)
    told = []
    for done in range(2):
        loss, record = federated._epochs(job, learner, data, 0, done)
        assert np.isnan(loss)  # A loss would tell of the data.
        assert record is not None
        told.append(record)
    first, last = told
    assert first.epsilon < last.epsilon
    assert 2.5 < last.epsilon <= 3.0
    assert (first.noise, first.units) == (last.noise, last.units)
    assert last.updates == 2 * first.updates + 1 > 3  # 18.75 gradient steps in a round.
    written = federated._record(job, (data.steps, 9), 2, 0.0, told).training
    assert written is not None
    assert written.privacy == told


def test_what_does_not_fit_is_refused_in_a_line(sites: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="is no dataset"):
        federate(ID, [sites[0], tmp_path], tmp_path / "out")
    with pytest.raises(ArgumentError, match="use memory=none"):
        federate(ID, sites, tmp_path / "out", arguments=ARGUMENTS,
                 config={"epsilon": 3.0, "memory": "gru"})  # fmt: skip
    with pytest.raises(ArgumentError, match="leave passes out"):
        federate(ID, sites, tmp_path / "out", arguments=ARGUMENTS, config={"passes": 3})
    with pytest.raises(ArgumentError, match='collected without the sensor "entities"'):
        federate(ID, sites, tmp_path / "out", arguments={**ARGUMENTS, "sensors": ["entities"]})
    assert not (tmp_path / "out").exists()
    with pytest.raises(SavedFileError, match="there is no federation in"):
        go_on(tmp_path)
    alone = als("federate", ID, "--site", sites[0], "--out", tmp_path / "out")
    assert alone.code == 2
    assert "name two sites or more" in alone.err
