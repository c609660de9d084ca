"""In the browser the difficulty follows who plays, and an agent keeps company."""

from __future__ import annotations

import pytest
from serving import served

from als_engine.errors import ArgumentError
from als_plugins.serve.following import FollowingStage
from als_plugins.serve.opening import open_stage
from als_plugins.serve.orders import Order

QUICK = {"role": "evader", "max_episode_steps": 3}
"""Nobody is tagged so soon: whoever evades succeeds."""


def episodes(stage: FollowingStage, count: int, orders: dict[int, Order]) -> None:
    for _ in range(count):
        stage.begin()
        while not stage.over:
            stage.advance(orders)


def test_a_persons_episodes_count_for_persons_and_an_agents_for_the_agent() -> None:
    stage = open_stage("ALS/Tag-v0", "random", QUICK, difficulty="0.6")
    assert isinstance(stage, FollowingStage)
    episodes(stage, 1, {})
    paces = [stage.simulation.arguments.task_arguments["pace"]]
    episodes(stage, 3, {})
    episodes(stage, 5, {0: Order()})
    # A person in the other's place leaves the agent its own.
    episodes(stage, 1, {1: Order()})
    stage.begin()
    assert stage.difficulty.successes == {"random": [True] * 5, "person": [True] * 5}
    paces.append(stage.simulation.arguments.task_arguments["pace"])
    assert paces[0] < paces[1] <= 2.0
    assert stage.standing["player"] == "random"
    assert stage.standing["succeeded"] == stage.standing["played"] == 5
    # Whoever goes on before the end, or leaves halfway, tells nothing.
    stage.advance({})
    stage.begin()
    stage.advance({0: Order()})
    stage.advance({})
    stage.advance({})
    stage.begin()
    assert sum(map(len, stage.difficulty.successes.values())) == 10
    stage.close()


def test_who_plays_keeps_the_avatar_when_the_world_becomes_harder() -> None:
    options = {"arguments": QUICK, "agent": "random", "difficulty": "0.6", "speed": 8.0}
    with served("ALS/Tag-v0", **options) as world, world.program() as ann:
        ann.send("join", avatar=0, name="Ann")
        ann.until(lambda: "clock" in ann.board)
        ann.until(lambda: ann.board["clock"]["difficulty"]["player"] == "person")
        ann.until(lambda: ann.board["clock"]["difficulty"]["succeeded"] >= 2)
        assert ann.board["seat.0"]["person"] == "Ann"
        assert ann.board["seat.1"]["person"] is None
        assert "pose.avatar1" in ann.board
        ann.send("drive", forward=1.0)
        ann.until(lambda: ann.board["clock"]["episode"] >= 4)


def test_an_agent_keeps_company_and_its_name_stands_at_its_seat() -> None:
    with served("ALS/Tag-v0", agent="random", company="expert") as world, world.program() as ann:
        ann.until(lambda: "seat.1" in ann.board)
        assert [ann.board[f"seat.{i}"]["driver"] for i in (0, 1)] == ["random", "expert"]


def test_a_recording_does_not_keep_what_company_does(tmp_path) -> None:
    with pytest.raises(ArgumentError, match="leave --company out"):
        open_stage("ALS/Tag-v0", None, {}, record=tmp_path / "new", company="random")
