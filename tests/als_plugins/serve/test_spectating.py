"""A run can be watched while it goes on, and is to the last bit the run that nobody has watched."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learn_worlds import learn  # noqa: F401 - it is a fixture.

from als_engine.agents.training import train_agent
from als_engine.envs.rows import Rows
from als_engine.errors import ArgumentError
from als_engine.system.watched import place_of, watchable
from als_plugins.serve import spectating
from als_plugins.serve.calls import Place
from als_plugins.serve.opening import lobby_of, open_stage
from als_plugins.serve.run_stage import RunStage, is_run
from als_plugins.serve.spectating import Watched, learning_curve


class Spectator:
    """Looks on between two steps of a run in this process."""

    def __init__(self, run: Path) -> None:
        self.run, self.board, self.stages = run, dict[str, Any](), list[RunStage]()
        self.worlds, self.seen = list[Any](), set[str]()

    def look(self) -> None:
        if not self.stages:
            stage = open_stage(str(self.run), None, {})
            assert isinstance(stage, RunStage)
            self.stages.append(stage)
        stage = self.stages[0]
        stage.advance({})
        for key, value in stage.changes().items():
            self.seen.add(key)
            if value is None:
                self.board.pop(key, None)
            else:
                self.board[key] = value
        if self.board["worlds"]["now"] is not None and len(self.worlds) < 2:
            self.worlds.append(self.board["worlds"]["now"])
            stage.watch(2)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is looked at, and every second one would be too seldom for a short training."""
    for name in ("LOOKS", "SIGHTS", "CURVES"):
        monkeypatch.setattr(spectating, name, 0.0)


def files_of(agent: Path) -> dict[str, bytes]:
    """All that a training leaves of its agent, but for how long it took."""
    found = {path.name: path.read_bytes() for path in agent.iterdir()}
    record = json.loads(found.pop("agent.json"))
    del record["training"]["seconds"]
    return {**found, "agent.json": json.dumps(record).encode()}


@pytest.mark.usefixtures("at_once", "learn")
def test_a_training_that_is_watched_is_the_training_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {"worlds": 4, "steps": 1_024, "checkpoint_every": 256}
    job["arguments"] = {"sensors": ["proprioception", "entities"]}  # type: ignore[assignment]
    train_agent("Learn/Reach-v0", "q-learning", folder=tmp_path / "alone", **job)  # type: ignore[arg-type]
    spectator, look = Spectator(tmp_path / "watched"), Watched.look

    def watched_look(self: Watched) -> None:
        look(self)
        spectator.look()

    monkeypatch.setattr(Watched, "look", watched_look)
    train_agent("Learn/Reach-v0", "q-learning", folder=spectator.run, **job)  # type: ignore[arg-type]
    board = spectator.board
    assert files_of(spectator.run / "agent") == files_of(tmp_path / "alone" / "agent")
    assert spectator.worlds == [0, 2]
    assert board["worlds"]["names"] == [f"world {i}" for i in range(4)]
    assert board["seat.0"]["driver"] == "the learner"
    assert {"look.avatar0", "pose.avatar0", "step", "metrics", "curve"} <= spectator.seen
    assert not is_run(spectator.run)
    for _ in range(3):  # What was sent before the end is read first.
        spectator.stages[0].advance({})
    assert "closed" in spectator.stages[0].note
    spectator.stages[0].close()
    assert not place_of(spectator.run).exists()
    curve = learning_curve(spectator.run)
    assert curve is not None
    assert curve["steps"][-1] == 1_024


def test_a_curve_has_few_points_and_its_last_one(tmp_path: Path) -> None:
    assert learning_curve(tmp_path) is None
    lines = [f"{step},{-step / 2},0.5" for step in range(1, 1_001)]
    (tmp_path / "progress.csv").write_text("\n".join(["steps,mean_return,success", *lines]))
    curve = learning_curve(tmp_path)
    assert curve is not None
    assert (len(curve["steps"]), curve["steps"][-1], curve["mean_return"][-1]) == (200, 1_000, -500)
    # An adaptation's, and lines of something else.
    (tmp_path / "progress.csv").write_text("round,steps,mean\n0,0,-2.5\n1,x,1\n2,64,inf\n")
    assert learning_curve(tmp_path) == {"steps": [0], "mean_return": [-2.5], "success": [None]}


@pytest.mark.usefixtures("learn")
def test_worlds_of_all_processes_of_a_run_call_one_spectator(tmp_path: Path) -> None:
    (tmp_path / "results.sqlite").write_bytes(b"")
    with watchable(tmp_path / "results.sqlite"):
        rows = Rows("Learn/Reach-v0", 2, workers=2, sensors=["proprioception"])
    stage = open_stage(str(tmp_path / "results.sqlite"), None, {})
    assert isinstance(stage, RunStage)
    rows.seed(1)
    rows.reset()
    found: dict[str, Any] = {}
    for _ in range(2_000):
        rows.step(np.zeros(2, np.int64))
        stage.advance({})
        found.update(stage.changes())
        if len(found["worlds"]["names"]) == 2 and "pose.avatar0" in found:
            break
    assert found["worlds"]["names"] == ["world 0 of process 1", "world 1 of process 2"]
    rows.close()
    stage.close()


@pytest.mark.usefixtures("at_once", "learn")
def test_strangers_show_nothing_and_change_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    stage = open_stage(str(tmp_path), None, {})
    assert isinstance(stage, RunStage)
    place = Place.model_validate_json(place_of(tmp_path).read_text())
    assert place_of(tmp_path).stat().st_mode & 0o077 == 0
    hello = {
        "secret": "x" * 43, "scenario": "a", "first": 0, "worlds": 1, "process": 1,
        "time_step": 0.1,
    }  # fmt: skip
    for line in (json.dumps(hello), "{}", "[" * 5_000, '{"world": 0, "whole": true, "values": {}}'):
        with socket.create_connection(("127.0.0.1", place.port), timeout=10.0) as stranger:
            stranger.sendall(line.encode() + b"\n")
            stranger.settimeout(0.05)
            for _ in range(200):
                stage.advance({})
                try:
                    assert stranger.recv(10) == b""
                    break
                except TimeoutError:
                    continue
                except ConnectionError:
                    break
            else:
                pytest.fail("a stranger was let in")
    assert stage.changes()["worlds"] == {"names": [], "now": None}
    stage.close()
    with pytest.raises(ArgumentError, match="a run that goes on"):
        open_stage(str(tmp_path), "expert", {})
    assert not lobby_of(stage).open
