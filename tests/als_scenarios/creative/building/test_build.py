"""The yard: what hands and tiles do, what counts, what nobody sees, who is there; it works."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bodies import put_avatar

from als_engine.errors import ArgumentError
from als_engine.physics.engines import ENGINES
from als_engine.simulation import Simulation, simulate
from als_engine.task import LEVELS as SPLITS
from als_engine.world.arrays import NOTHING
from als_scenarios.creative.building import site, yard
from als_scenarios.creative.building.blocks import BLOCKS, COLUMNS, CUBES, LEVELS, drawn
from als_scenarios.creative.building.build import MODES, NEW, WEIGHTS, Build
from als_scenarios.creative.building.novelty import FEWEST_CELLS

SCENARIO = "ALS/Build-v0"
STAY, PICK_UP, PUT_DOWN, USE, FINISHED = 0, 7, 8, 9, 10


def open_yard(num_worlds: int = 1, **arguments: Any) -> Simulation:
    arguments.setdefault("sensors", ["site"])
    sim = simulate(SCENARIO, num_worlds, arguments.pop("observers", None), **arguments)
    sim.reset(range(num_worlds))
    sim.observe()
    return sim


def act(sim: Simulation, action: int, avatar: int = 0) -> None:
    """One avatar of the first world acts; everybody else stands still."""
    actions = np.full((sim.num_worlds, sim.observers), STAY)
    actions[0, avatar] = action
    sim.step(actions)


def take(sim: Simulation, block: int, avatar: int = 0) -> None:
    """Lets an avatar pick a block up."""
    x, y = sim.state.props.position[0, block, :2].tolist()
    put_avatar(sim, avatar, (x, y + 0.45), -math.pi / 2)
    act(sim, PICK_UP, avatar)
    assert sim.state.avatars.held[0, avatar] == block


def use(sim: Simulation, column: int, avatar: int = 0) -> None:
    """Lets an avatar use a column."""
    put_avatar(sim, avatar, (float(yard.column_x(column)), yard.STAND_Y), math.pi / 2)
    act(sim, USE, avatar)
    assert sim.state.events.used[0, avatar] == yard.SITE + column


def block_of(sim: Simulation, color: int, beam: bool = False) -> int:
    """A block of a colour, 1 to 4, that lies about."""
    there = yard.lying(sim.state)[0] & (sim.state["paint"][0] == color)
    there[slice(CUBES) if beam else slice(CUBES, None)] = False
    return int(np.flatnonzero(there)[0])


def build(sim: Simulation) -> None:
    """Lets the first builder lay the level's answer."""
    for beam, column, _, color in sim.state["pieces"][0].tolist():
        if beam >= 0:
            take(sim, block_of(sim, color, beam == 1))
            use(sim, column)


def play(policy: str, num_worlds: int, **arguments: Any) -> dict[str, np.ndarray]:
    """One episode in every world: the metrics and the first builder's return at its end."""
    sim = open_yard(num_worlds, **arguments)
    rng = np.random.default_rng(0)
    ended, out = np.zeros(num_worlds, bool), dict[str, np.ndarray]()
    while not ended.all():
        if policy == "random":
            shape = (num_worlds, sim.observers)
            actions = rng.integers(sim.action_space.n, size=shape)
        else:
            actions = sim.expert_actions(None if policy == "expert" else policy)
        sim.advance(actions)
        now = (sim.terminated | sim.truncated) & ~ended
        ended |= now
        found = {**sim.metrics(), "return": sim.returns[:, 0], "steps": sim.state.step}
        for name, value in found.items():
            out.setdefault(name, np.zeros(num_worlds))[now] = value[now]
    sim.close()
    return out


# -- blocks and columns ----------------------------------------------------------------------------


@pytest.mark.parametrize("physics", ENGINES)
def test_a_block_is_picked_up_laid_and_taken_off_again(physics: str) -> None:
    sim = open_yard(physics=physics)
    state = sim.state
    take(sim, 2)
    use(sim, 5)
    assert state.avatars.held[0, 0] == NOTHING
    np.testing.assert_allclose(
        state.props.position[0, 2], (0.7, yard.SITE_Y, yard.STAGE_HEIGHT + 0.175)
    )
    assert state["grid"][0, 5, 0] == state["paint"][0, 2]
    assert sim.metrics()["placed"] == 1
    act(sim, PICK_UP)
    assert state.avatars.held[0, 0] == NOTHING  # What is laid is fixed.
    use(sim, 5)
    assert state.avatars.held[0, 0] == 2
    assert not state["grid"].any()
    act(sim, STAY)
    assert state.props.position[0, 2, 2] > 0.8
    sim.close()


@pytest.mark.parametrize("physics", ENGINES)
def test_a_beam_lies_across_three_columns(physics: str) -> None:
    sim = open_yard(physics=physics)
    take(sim, CUBES)
    use(sim, 2)
    color = sim.state["paint"][0, CUBES]
    assert sim.state["grid"][0, :, 0].tolist() == [0, color, color, color, 0, 0, 0]
    z, w = sim.state.props.orientation[0, CUBES, 2:]
    assert 2 * math.atan2(z, w) == pytest.approx(math.pi / 2)
    sim.close()


def test_where_a_block_would_not_stay_the_builder_keeps_it() -> None:
    sim = open_yard()
    take(sim, CUBES)
    use(sim, 0)
    assert sim.state.avatars.held[0, 0] == CUBES
    assert not sim.state["grid"].any()


@pytest.mark.parametrize("physics", ENGINES)
def test_nobody_pushes_a_block_or_a_structure_about(physics: str) -> None:
    sim = open_yard(physics=physics)
    take(sim, 0)
    use(sim, 3)
    before = sim.state.props.position.copy()
    put_avatar(sim, 0, (0.0, 0.0), math.pi / 2)
    put_avatar(sim, 1, (0.8, -1.0), -math.pi / 2)
    for _ in range(30):
        sim.step(np.ones((1, 2), int))
    np.testing.assert_array_equal(sim.state.props.position, before)
    sim.close()


def test_a_helper_carries_blocks_but_does_not_lay_them() -> None:
    sim = open_yard(num_avatars=3)
    assert sim.agents == ("builder_0", "builder_1", "helper_0")
    take(sim, 1, 2)
    use(sim, 3, 2)
    assert sim.state.avatars.held[0, 2] == 1
    assert not sim.state["grid"].any()
    put_avatar(sim, 2, (0.0, 0.0), 0.0)
    act(sim, PUT_DOWN, 2)
    assert sim.state.avatars.held[0, 2] == NOTHING
    assert yard.lying(sim.state).all()


def test_the_column_that_is_told_is_the_one_that_is_used() -> None:
    sim = open_yard()
    rng = np.random.default_rng(1)
    for _ in range(40):
        x, y, heading = rng.uniform((-2.2, -0.2, -math.pi), (2.2, 1.2, math.pi)).tolist()
        put_avatar(sim, 0, (x, y), heading)
        put_avatar(sim, 1, (2.9, -2.2))
        before = int(yard.column_before(sim.state)[0, 0])
        act(sim, USE)
        used = int(sim.state.events.used[0, 0])
        if np.abs(sim.state.avatars.position[0, 0, :2] - (x, y)).max() < 1e-9:
            assert used == (before + yard.SITE if before >= 0 else NOTHING)


# -- what counts -----------------------------------------------------------------------------------


def test_the_reward_for_the_structure_adds_up_to_its_score_and_completion() -> None:
    sim = open_yard(level=4, num_avatars=1)
    total = 0.0
    for beam, column, _, color in sim.state["pieces"][0].tolist():
        if beam >= 0:
            take(sim, block_of(sim, color, beam == 1))
            before = sim.metrics()["iou"][0]
            use(sim, column)
            gain = WEIGHTS.structure * (sim.metrics()["iou"][0] - before)
            terms = sim.task.reward_terms(sim.state)
            assert terms["structure"][0, 0] == pytest.approx(gain)
            assert gain > 0
            total += terms["structure"][0, 0] + terms["completion"][0, 0]
    assert sim.terminated[0]
    assert sim.metrics()["success"][0]
    assert total == pytest.approx(WEIGHTS.structure + WEIGHTS.completion)


def test_a_block_of_another_colour_costs_and_taking_it_off_pays_back() -> None:
    sim = open_yard(level=4)
    beam, column, _, color = sim.state["pieces"][0, 0].tolist()
    take(sim, block_of(sim, color, beam == 1))
    use(sim, column)
    before = sim.metrics()["iou"][0]
    take(sim, block_of(sim, int(sim.state["paint"][0, yard.lying(sim.state)[0]][0])))
    empty = int(np.flatnonzero(~(sim.state["plan"][0] > 0).any(1))[0])
    use(sim, empty)
    wrong = sim.metrics()["iou"][0]
    use(sim, empty)
    assert wrong < before == sim.metrics()["iou"][0]


@pytest.mark.parametrize("mode", MODES[:2])
def test_the_answer_of_a_level_is_the_end_of_it(mode: str) -> None:
    for level in (0, 20_001, 10_002):
        sim = open_yard(
            level=level, mode=mode, split={0: "train", 2: "validation"}.get(level // 10_000, "test")
        )
        build(sim)
        assert sim.terminated[0]
        assert sim.metrics()["success"][0]
        sim.close()


def test_in_open_an_episode_ends_when_a_builder_says_so_of_a_structure_that_counts() -> None:
    sim = open_yard(mode="open", num_avatars=3)
    act(sim, FINISHED)
    assert not sim.terminated[0]
    build(sim)
    assert (sim.state["grid"] > 0).sum() >= FEWEST_CELLS
    assert not sim.terminated[0]
    act(sim, FINISHED, 2)
    assert not sim.terminated[0]  # A helper has no say.
    act(sim, FINISHED)
    assert sim.terminated[0]
    assert sim.metrics()["success"][0] == (sim.metrics()["novelty"][0] >= NEW)
    terms = sim.task.reward_terms(sim.state)
    assert terms["completion"][0, 0] == WEIGHTS.completion


def test_guidance_gives_every_episode_of_a_level_the_same() -> None:
    for seed in range(3):
        sim = open_yard(level=5, max_episode_steps=40)
        start, total = sim.state["away"][0].copy(), np.zeros(2)
        rng = np.random.default_rng(seed)
        while not (sim.terminated[0] or sim.truncated[0]):
            expert = sim.expert_actions()
            sim.step(expert if seed == 0 else rng.integers(sim.action_space.n, size=(1, 2)))
            total += sim.state["closer"][0]
        np.testing.assert_allclose(total, start)


def test_metrics_describe_the_structure() -> None:
    sim = open_yard(mode="open", level=3)
    build(sim)
    grid = sim.state["grid"][0] > 0
    metrics = {name: value[0] for name, value in sim.metrics().items()}
    assert metrics["height"] == grid.any(0).sum()
    assert metrics["width"] == np.ptp(np.flatnonzero(grid.any(1))) + 1
    assert metrics["colours"] == len(np.unique(sim.state["grid"][0][grid]))
    assert metrics["placed"] == (sim.state["pieces"][0, :, 0] >= 0).sum()
    assert metrics["iou"] == metrics["constraints_met"] == 0


def test_masks_rule_out_what_would_change_nothing() -> None:
    sim = open_yard(mode="open", num_avatars=1)

    def allowed() -> list[bool]:
        return sim.action_masks()[0, 0, [PICK_UP, PUT_DOWN, USE, FINISHED]].tolist()

    put_avatar(sim, 0, (0.0, yard.STAND_Y), math.pi / 2)
    assert allowed() == [False, False, False, False]  # No block in reach, and nothing to take off.
    take(sim, CUBES)
    put_avatar(sim, 0, (float(yard.column_x(0)), yard.STAND_Y), math.pi / 2)
    assert allowed() == [False, True, False, False]  # A beam has no room there.
    use(sim, 3)
    assert allowed() == [False, False, True, False]
    take(sim, CUBES + 1)
    use(sim, 3)
    assert allowed() == [False, False, True, True]


# -- what is seen ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_the_answer_of_a_level_is_in_no_observation(mode: str) -> None:
    every = ["site", "entities", "proprioception", "text", "rgb"]
    sim = open_yard(mode=mode, sensors=every)
    before = {key: array.copy() for key, array in sim.observations.items()}
    sim.state["pieces"][:] = NOTHING
    sim.observe()
    for key, array in sim.observations.items():
        np.testing.assert_array_equal(array, before[key])


def test_the_site_shows_structure_and_plan_cell_by_cell() -> None:
    sim = open_yard()
    take(sim, 3)
    use(sim, 4)
    row = sim.observations["site"][0, 0]
    for start, grid in ((0, sim.state["grid"]), (site.PLANNED_AT, sim.state["plan"])):
        shown = row[start : start + COLUMNS * LEVELS * 4].reshape(COLUMNS, LEVELS, 4)
        np.testing.assert_array_equal(shown, grid[0, ..., None] == np.arange(1, 5))


def test_a_sentence_is_shown_as_it_is_said_and_no_plan_is() -> None:
    sim = open_yard(mode="sentence", level=7)
    row = sim.observations["site"][0, 0]
    assert not row[site.PLANNED_AT : site.SAID_AT].any()
    kind, color, height, relation, other, other_color = sim.state["sentence"][0].tolist()
    expected = np.zeros(22)
    for at, number in ((0, kind), (4, color), (9, relation), (14, other), (18, other_color)):
        if number >= 0:
            expected[at + number] = 1
    expected[8] = max(0, height) / 4
    np.testing.assert_allclose(row[site.SAID_AT : site.SEEN_AT], expected)


def test_what_lies_nearest_is_shown_where_it_lies() -> None:
    sim = open_yard()
    state = sim.state
    put_avatar(sim, 0, (0.3, -0.2), 0.7)
    sim.observe()
    row = sim.observations["site"][0, 0, site.NEAREST_AT : site.ROLE_AT].reshape(2, 4, 3)
    away = state.props.position[0, :BLOCKS, :2] - (0.3, -0.2)
    for kind, color in np.ndindex(2, 4):
        alike = (state["paint"][0] == color + 1) & ((np.arange(BLOCKS) >= CUBES) == kind)
        if not alike.any():
            assert not row[kind, color].any()
            continue
        x, y = away[alike][np.hypot(*away[alike].T).argmin()] / site.SCALE
        ahead = math.cos(0.7) * x + math.sin(0.7) * y
        left = math.cos(0.7) * y - math.sin(0.7) * x
        np.testing.assert_allclose(row[kind, color], (1, ahead, left), atol=1e-6)


# -- who is there, and what is held out ------------------------------------------------------------


def test_validation_and_test_each_have_company_of_their_own() -> None:
    behaviours = Build().behaviours()
    held_out = {n: one.splits for n, one in behaviours.items() if "train" not in one.splits}
    assert held_out == {"inspects": ("validation",), "tidies": ("test",)}


@pytest.mark.parametrize("mode", MODES)
def test_no_two_splits_are_about_the_same(mode: str) -> None:
    about: dict[str, set[Any]] = {}
    for split, levels in SPLITS.items():
        sim = simulate(SCENARIO, split=split, mode=mode)
        layouts = [sim.lay_out(level) for level in levels[:40]]
        about[split] = set().union(*map(sim.task.concepts, layouts))
        assert len(about[split]) > 10
    assert not about["train"] & about["test"]
    assert not about["train"] & about["validation"]
    assert not about["validation"] & about["test"]


def test_the_blocks_for_an_answer_are_there_in_every_level() -> None:
    for mode in MODES:
        sim = simulate(SCENARIO, mode=mode)
        for level in range(30):
            layout = sim.lay_out(level)
            paint = np.asarray(layout.quantities["paint"])
            pieces = np.asarray(layout.quantities["pieces"])
            for beam, here in ((0, paint[:CUBES]), (1, paint[CUBES:])):
                needed = np.bincount(pieces[pieces[:, 0] == beam, 3], minlength=5)
                assert (needed <= np.bincount(here, minlength=5)).all()
            if mode == "plan":
                rows = [row for row in pieces.tolist() if row[0] >= 0]
                np.testing.assert_array_equal(layout.quantities["plan"], drawn(rows))


@pytest.mark.parametrize("behaviour", Build().behaviours())
def test_people_in_the_background_move_and_lay_nothing(behaviour: str) -> None:
    split = {"inspects": "validation", "tidies": "test"}.get(behaviour, "train")
    sim = open_yard(6, observers=1, num_avatars=4, background=behaviour, split=split)
    start = sim.state.avatars.position[:, 1:].copy()
    blocks = sim.state.props.position[:, :BLOCKS].copy()
    for _ in range(120):
        sim.step(np.full((6, 1), STAY))
    assert not sim.state["grid"].any()
    assert (np.abs(sim.state.avatars.position[:, 1:] - start) > 0.2).any()
    moved = (sim.state.props.position[:, :BLOCKS] != blocks).any()
    assert moved == (behaviour in ("fetches", "tidies"))


def test_a_mode_that_there_is_not_is_named_with_those_that_there_are() -> None:
    with pytest.raises(ArgumentError, match=r"mode .*plan, sentence, open"):
        simulate(SCENARIO, mode="castle")


# -- it can be solved ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"mode": "plan", "split": "test", "observers": 1},
        {"mode": "sentence", "split": "train", "observers": 2, "action_mode": "continuous"},
        {"mode": "open", "split": "validation", "action_mode": "factored", "physics": "mujoco"},
    ],
    ids=lambda given: given["mode"],
)
def test_the_expert_builds_what_is_asked_for(given: dict[str, Any]) -> None:
    ends = play("expert", 10, **given)
    assert ends["success"].mean() >= 0.8
    assert ends["return"].mean() > 6


def test_two_builders_are_faster_than_one() -> None:
    alone, together = (play("expert", 6, num_avatars=n, physics="mujoco") for n in (1, 2))
    assert together["success"].mean() >= 0.8
    assert together["steps"].mean() < 0.85 * alone["steps"].mean()


def test_the_expert_takes_off_what_should_not_be_there() -> None:
    sim = open_yard(level=4, observers=1, num_avatars=1)
    color = sim.state["pieces"][0, 0, 3]
    wrong = int(np.flatnonzero(sim.state["paint"][0, :CUBES] != color)[0])
    take(sim, wrong)
    use(sim, int(sim.state["pieces"][0, 0, 1]))
    while not (sim.terminated[0] or sim.truncated[0]):
        sim.step(sim.expert_actions())
    assert sim.metrics()["success"][0]


@pytest.mark.parametrize("mode", MODES)
def test_a_world_is_the_same_alone_and_among_others(mode: str) -> None:
    given = {"observers": 1, "num_avatars": 3, "mode": mode}
    many, alone = open_yard(3, **given), open_yard(**given)
    for seed in (0, 2):
        many.reset(range(3))
        alone.reset([seed])
        for _ in range(40):
            many.step(many.expert_actions())
            alone.step(alone.expert_actions())
            assert many.state.digest(seed) == alone.state.digest(0)
            assert many.rewards[seed].tolist() == alone.rewards[0].tolist()
