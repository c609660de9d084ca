"""What is played can be replayed, by anybody, in any number of worlds; what was changed cannot."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from learn_worlds import ID, NO_EXPERT, learn
from made_bundles import Stroller

from als_bench.running.playing import Setting, Stage, play, replay
from als_engine.agents.saving import make_agent, spaces
from als_engine.errors import ArgumentError
from als_engine.evaluation.protocol import evaluate
from als_engine.evaluation.recording import Recorder
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import SuiteEntry
from als_engine.simulation import simulate

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

IDS = [spec.id for spec in registry.scenarios()]
ORIGIN = bytes(range(32))
ENTRY = SuiteEntry(ID)
ARGUMENTS = {"sensors": ["entities"], "max_episode_steps": 15, "num_avatars": 2}

DEFAULT = Setting(ENTRY, ARGUMENTS, "test", ORIGIN)


def played(episodes=range(4), entry=ENTRY, name="random", arguments=ARGUMENTS, **how):
    """A chunk."""
    agent = make_agent(name, entry.scenario, arguments)
    return play(agent, setting(entry, arguments, how), episodes, **how)


def differences(chunk, entry=ENTRY, arguments=ARGUMENTS, **how):
    """What a replay has to say."""
    return replay(setting(entry, arguments, how), chunk, **how)


def setting(entry, arguments, how):
    """Where episodes are played; takes its own out of `how`."""
    own = {name: how.pop(name) for name in vars(DEFAULT).keys() & how.keys()}
    return dataclasses.replace(DEFAULT, entry=entry, arguments=arguments, **own)


def equal(one, other):
    """Whether two chunks are the same, bit for bit."""
    return one.results == other.results and all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in ("actions", "rewards", "chain")
    )


@pytest.mark.parametrize("id", IDS)
def test_every_scenario_gives_the_same_chain_in_one_world_and_in_many_and_replays(id):
    arguments = {"sensors": ["proprioception"], "max_episode_steps": 8}
    observers = min(2, registry.scenario(id).num_avatars)
    entry = SuiteEntry(id, observers=observers)
    alone = played(range(5, 8), entry, arguments=arguments, num_worlds=1)
    assert equal(alone, played(range(5, 8), entry, arguments=arguments, num_worlds=16))
    assert differences(alone, entry, arguments, num_worlds=2) == []
    assert len(set(alone.chain.tolist())) == len(alone.chain)


@pytest.mark.parametrize("mode", ["discrete", "continuous", "factored"])
@pytest.mark.parametrize("name", ["random", "expert"])
def test_an_evaluation_and_a_recording_see_the_same(name, mode):
    arguments = {**ARGUMENTS, "action_mode": mode}
    chunk = played(range(6), arguments=arguments, name=name)
    agent = make_agent(name, ID, arguments)
    found = evaluate(agent, ID, 6, arguments=arguments, use="benchmark")
    assert [result.total for result in chunk.results] == found.returns.tolist()
    assert [result.length for result in chunk.results] == found.lengths.tolist()
    assert [result.success for result in chunk.results] == found.metrics["success"].tolist()
    assert [result.metrics["walked"] for result in chunk.results] == found.metrics[
        "walked"
    ].tolist()
    assert [result.level for result in chunk.results] == found.metrics["level"].tolist()
    assert differences(chunk, arguments=arguments) == []


def test_a_part_of_the_episodes_is_the_same_as_in_the_whole():
    whole, part = played(range(6), seed=40), played(range(2, 5), seed=40)
    assert part.results == whole.results[2:5]
    at = np.cumsum([result.length for result in whole.results])
    assert part.chain.tobytes() == whole.chain[at[1] : at[4]].tobytes()


def test_episodes_longer_than_the_recorder_has_room_for_replay():
    arguments = {**ARGUMENTS, "max_episode_steps": 600}
    entry = SuiteEntry(NO_EXPERT, name="long")
    chunk = played(range(2), entry, arguments=arguments)
    assert max(result.length for result in chunk.results) > 256
    assert differences(chunk, entry, arguments) == []


def test_two_avatars_can_be_driven_of_which_one_counts():
    entry = SuiteEntry(ID, observers=2)
    arguments = {**ARGUMENTS, "shaped": True}
    chunk = played(entry=entry, arguments=arguments, scored=1)
    ends = np.cumsum([result.length for result in chunk.results])[:-1]
    for result, rewards in zip(chunk.results, np.split(chunk.rewards, ends), strict=True):
        assert rewards.shape == (result.length, 2)
        assert result.total == pytest.approx(rewards[:, 0].sum())
    assert differences(chunk, entry, arguments, scored=1) == []
    (line, *_) = differences(chunk, entry, arguments)
    assert "total" in line


def test_worlds_that_stay_open_make_no_difference():
    with Stage() as stage:
        first = played(stage=stage)
        other = played(range(4, 9), stage=stage)
        assert equal(first, played(stage=stage))
        assert differences(other, stage=stage) == differences(first, stage=stage) == []
    assert equal(first, played())


CHANGES = {
    "the origin": {"origin": bytes(32)},
    "the arguments": {"arguments": {**ARGUMENTS, "num_avatars": 3}},
    "the split": {"split": "train"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_log_holds_for_its_own_claims_alone(change):
    lines = differences(played(), **change)
    assert [line.partition(":")[0] for line in lines] == [
        f"episode {episode}, step 0" for episode in range(4)
    ]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("actions", 7, "episode 2, step 4: hash"),
        ("rewards", 0.5, "episode 2, step 4: reward [-0.01], not [0.5] as claimed"),
        ("chain", 3, "episode 2, step 4: hash"),
        ("actions", 99, "episode 2, step 4: an action is not in Discrete"),
    ],
)
def test_a_replay_names_the_first_step_that_differs(name, value, line):
    chunk = played()
    at = sum(result.length for result in chunk.results[:2]) + 4
    changed = getattr(chunk, name).copy()
    changed[at] = value
    (found,) = differences(dataclasses.replace(chunk, **{name: changed}))
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"total": 3.0}, "episode 1, step 14: total"),
        ({"level": 3}, "episode 1, step 14: level"),
        ({"terminated": True}, "episode 1, step 14: terminated False, not True as claimed"),
        ({"metrics": {"walked": 99.0}}, "episode 1, step 14: metrics"),
        ({"chain": 1}, "episode 1, step 14: chain"),
        ({"seed": 7}, "episode 1 has the seed 7, not 1"),
        ({"episode": 7}, "episode 7 stands where episode 1 should"),
        ({"length": 0}, "episode 1 has 0 steps"),
        ({"length": 11}, "the episodes have 56 steps"),
    ],
)
def test_a_replay_compares_every_result(change, line):
    chunk = played()
    results = list(chunk.results)
    assert results[1].length == 15
    results[1] = dataclasses.replace(results[1], **change)
    (found,) = differences(dataclasses.replace(chunk, results=tuple(results)))
    assert found.startswith(line)


def test_actions_of_another_kind_are_refused_before_they_are_played():
    chunk = played()
    for actions in (
        chunk.actions.astype(np.float64),
        chunk.actions[:, :, None],
        np.repeat(chunk.actions, 2, axis=1),
    ):
        (line,) = differences(dataclasses.replace(chunk, actions=actions))
        assert "actions" in line
    arguments = {**ARGUMENTS, "action_mode": "continuous"}
    chunk = played(arguments=arguments)
    for odd in (np.nan, np.inf, 1.5):
        actions = chunk.actions.copy()
        actions[3, 0, 2] = odd
        (line,) = differences(dataclasses.replace(chunk, actions=actions), arguments=arguments)
        assert line.startswith("episode 0, step 3: an action is not in Box")


@pytest.mark.parametrize("episodes", [range(0), range(0, 4, 2), range(-1, 3)])
def test_episodes_are_numbers_in_a_row(episodes):
    with pytest.raises(ArgumentError, match="numbers in a row"):
        played(episodes)


# -- the chain ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulation():
    made = simulate("ALS/Classroom-v0", 3, 1, sensors=["proprioception"])
    yield made
    made.close()


def recorded(simulation, change=lambda: None):
    """The links of three worlds after a step, before which something was changed."""
    simulation.reset([1, 2, 3])
    recorder = Recorder(simulation, ORIGIN)
    recorder.begin(range(3), [1, 2, 3], [0, 1, 2])
    actions = np.ones((3, 1), np.int64)
    simulation.step(actions)
    change()
    recorder.step(actions)
    return [recorder.log(world).chain.tolist() for world in range(3)]


def flip(array, bit=0):
    """Changes a bit of the last byte of world 1's part of an array; twice is not at all."""
    array[1:2].view(np.uint8).reshape(-1)[-1] ^= 1 << bit


def groups():
    """What a world's state consists of: (name of a group, name of an array)."""
    simulation = simulate("ALS/Classroom-v0", 1, sensors=["proprioception"])
    state = simulation.state
    for group in ("avatars", "props", "signs", "sounds", "events"):
        for name, array in getattr(state, group).arrays():
            if array.nbytes and name != "version":
                yield group, name
    yield from (("quantities", name) for name in state.quantities)
    yield from ((None, name) for name in ("level", "step", "key", "behaviour"))
    simulation.close()


@pytest.mark.parametrize(("group", "name"), list(groups()))
def test_a_link_depends_on_every_array_of_its_world_and_on_no_other_world(simulation, group, name):
    owner = simulation.state if group is None else getattr(simulation.state, group)
    array = owner[name] if group == "quantities" else getattr(owner, name)
    before = recorded(simulation)
    after = recorded(simulation, lambda: flip(array))
    flip(array)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


OTHERS = {
    "an instruction": lambda simulation: simulation.state.instruct([1], "do nothing"),
    "a sign": lambda simulation: simulation.state.write(
        simulation.state.signs.names[0], [1], "no way"
    ),
    "a reward": lambda simulation: flip(simulation.rewards),
    "a flag": lambda simulation: flip(simulation.truncated),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_a_link_depends_on_texts_rewards_and_flags(simulation, change):
    before = recorded(simulation)
    after = recorded(simulation, lambda: change(simulation))
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_walls_are_in_the_first_link(simulation):
    walls = simulation.state.walls
    before = recorded(simulation)
    load = walls.load

    def thicker(world, content):
        load(world, content)
        walls.half[world, 0, 0] += 1e-9

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walls, "load", thicker)
        assert recorded(simulation)[0] != before[0]


def test_one_bit_of_the_state_changes_half_of_the_bits_of_a_link(simulation):
    before = recorded(simulation)[1][0]
    key = simulation.state.key
    flips = [
        bin(before ^ recorded(simulation, lambda bit=bit: flip(key, bit))[1][0]).count("1")
        for bit in range(8)
    ]
    assert 28 < np.mean(flips) < 36
    assert min(flips) > 12


def test_an_agent_of_any_number_type_is_logged_in_the_spaces_own():
    for mode, kind in (("discrete", np.uint8), ("continuous", np.float32), ("factored", np.uint8)):
        arguments = {**ARGUMENTS, "action_mode": mode}
        agent = Stroller(*spaces(ID, arguments), np.random.default_rng(1))
        here = setting(ENTRY, arguments, {})
        chunk = play(agent, here, range(3))
        assert chunk.actions.dtype == kind
        assert replay(here, chunk) == []


def test_an_entry_says_whether_agents_sample_their_actions():
    class Listener(Stroller):
        samples = True

        def act(self, observation, state=None, deterministic=True):
            asked.add(deterministic)
            return super().act(observation, state)

    for deterministic in (True, False):
        asked = set()
        agent = Listener(*spaces(ID, ARGUMENTS), np.random.default_rng(1))
        entry = dataclasses.replace(ENTRY, deterministic=deterministic)
        here = setting(entry, ARGUMENTS, {})
        assert replay(here, play(agent, here, range(2))) == []
        assert asked == {deterministic}
