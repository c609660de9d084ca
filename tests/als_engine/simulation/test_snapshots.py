"""A snapshot is exact: after it the same actions lead, bit for bit, to the same future."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from acme_worlds import FAULTY, REACH, level_of

from als_engine.conformance.case import Player
from als_engine.errors import (
    ALSError,
    PhysicsError,
    ResetNeededError,
    SavedFileError,
    SnapshotError,
)
from als_engine.physics.bullet import journal
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry
from als_engine.sensors import SENSORS
from als_engine.simulation import simulate
from als_engine.world.snapshot import Snapshot

SCENARIOS = [spec.id for spec in registry.scenarios()]
WORLDS = 2


@pytest.fixture
def make():
    made = []

    def make(spec=REACH, worlds=1, observers=1, **arguments):
        made.append(simulate(spec, worlds, observers, **arguments))
        return made[-1]

    yield make
    for simulation in made:
        simulation.close()


def seen(simulation):
    """Everything that anybody can see of the worlds, as one value to compare."""
    told = [
        *simulation.observations.items(),
        *simulation.metrics().items(),
        ("rewards", simulation.rewards),
        ("terms", simulation.terms),
        ("returns", simulation.returns),
        ("terminated", simulation.terminated),
        ("truncated", simulation.truncated),
    ]
    digests = [simulation.state.digest(world) for world in range(simulation.num_worlds)]
    return {name: array.tobytes() for name, array in told}, digests


def step(simulation, actions):
    simulation.advance(actions)
    before = {"rewards": simulation.rewards.tobytes()}
    if (ended := simulation.terminated | simulation.truncated).any():
        simulation.reset(worlds=ended)
    simulation.observe()
    return before, *seen(simulation)


def played(simulation, steps, seed=0):
    """Some steps of a player, their actions and what was seen."""
    player = Player(seed)
    actions, future = [], []
    for _ in range(steps):
        actions.append(np.array(player.act(simulation)))
        future.append(step(simulation, actions[-1]))
    return actions, future


@pytest.mark.parametrize("physics", ENGINES)
@pytest.mark.parametrize("id", SCENARIOS)
def test_a_restored_moment_has_the_future_that_was_left(make, id, physics):
    given = {"sensors": list(SENSORS), "frame_size": 16, "max_episode_steps": 50}
    given["physics"] = physics
    simulation, fresh = make(id, WORLDS, **given), make(id, WORLDS, **given)
    simulation.reset([3, 4])
    played(simulation, 13)
    snapshot, now = simulation.snapshot(), seen(simulation)
    actions, future = played(simulation, 45, seed=1)
    for other in (simulation, fresh):
        other.restore(snapshot)
        other.observe()
        assert seen(other) == now
        assert [step(other, each) for each in actions] == future


def test_only_the_worlds_of_a_mask_go_back(make):
    simulation, alone = make("ALS/Tag-v0", 3), make("ALS/Tag-v0")
    simulation.reset([1, 2, 3])
    alone.reset([2])
    played(simulation, 20)
    past = simulation.snapshot([1])
    for _ in range(15):
        simulation.step(np.ones((3, 1), np.int64))
    others = [simulation.state.digest(world) for world in (0, 2)]
    simulation.restore(past, np.array([False, True, False]))
    assert [simulation.state.digest(world) for world in (0, 2)] == others
    alone.restore(past)
    for _ in range(30):
        simulation.step(np.ones((3, 1), np.int64))
        alone.step(np.ones((1, 1), np.int64))
        assert simulation.state.digest(1) == alone.state.digest(0)


def test_a_fork_s_worlds_begin_alike_and_go_their_own_ways(make):
    simulation = make("ALS/Tag-v0", 2)
    simulation.reset([1, 2])
    played(simulation, 25)
    fork = simulation.fork(3, world=1)
    begin = simulation.state.digest(1)
    assert [fork.state.digest(world) for world in range(3)] == [begin] * 3
    for action in (1, 5):
        fork.step(np.array([[action], [action], [2]]))
        simulation.step(np.array([[0], [action]]))
        assert fork.state.digest(0) == fork.state.digest(1) == simulation.state.digest(1)
    assert fork.state.digest(2) != fork.state.digest(0)
    fork.close()
    simulation.step(np.zeros((2, 1), np.int64))


def test_what_a_navigator_has_seen_comes_along(make):
    """A crate that moves is looked at from time to time only: the map is of a moment before."""
    simulation, fresh = make("ALS/Tag-v0"), make("ALS/Tag-v0")
    simulation.reset([5])
    played(simulation, 13)
    crate, beside = simulation.state.props.names[-1], simulation.state.avatars.position[0, 1]
    simulation.state.move(crate, [0], (beside[0] + 1.2, beside[1] + 1.2, 0.25))
    played(simulation, 1)
    fresh.restore(simulation.snapshot())
    ours, theirs = (one.state.memories[0].remembered(np.arange(1)) for one in (simulation, fresh))
    assert ours.keys() == theirs.keys() >= {"things", "counts"}
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    for one in (simulation, fresh):
        one.state.memories[0].refresh()
    looked = simulation.state.memories[0].remembered(np.arange(1))
    assert not np.array_equal(looked["things"], ours["things"])


def test_props_that_are_carried_and_put_down_are_where_they_were(make):
    simulation, fresh = (
        make(num_avatars=2, background="roam"),
        make(num_avatars=2, background="roam"),
    )
    simulation.reset([0])
    state, held = simulation.state, []
    state.move("ball", [0], (-0.1, 0.3, 0.15))
    for number in range(36):
        simulation.step([[7 if number % 6 < 3 else 8]])
        held.append(int(state.props.holder.max()))
        fresh.restore(simulation.snapshot())
        assert fresh.state.digest(0) == state.digest(0)
    assert len(set(held)) > 1
    actions, future = played(simulation, 3)
    assert [step(fresh, each) for each in actions] == future


@pytest.mark.parametrize("steps", [1, 4, 30])
def test_a_snapshot_goes_through_a_file(make, tmp_path, steps):
    simulation, fresh = make("ALS/Delivery-v0", 2), make("ALS/Delivery-v0", 2)
    simulation.reset([1, 2])
    played(simulation, steps)
    path = tmp_path / "folder" / "moment.safetensors"
    simulation.snapshot().save(path)
    fresh.restore(Snapshot.load(path))
    actions, future = played(simulation, 20)
    assert [step(fresh, each) for each in actions] == future


def test_snapshots_are_chosen_from_and_joined(make):
    simulation, other = make(worlds=3), make(worlds=4)
    simulation.reset([1, 2, 3])
    played(simulation, 5)
    early = simulation.snapshot()
    played(simulation, 9)
    late = simulation.snapshot()
    other.restore(Snapshot.join([late.select([2, 0]), early.select([True, False, True])]))
    digests = [other.state.digest(world) for world in range(4)]
    simulation.restore(early)
    assert digests[2:] == [simulation.state.digest(0), simulation.state.digest(2)]
    simulation.restore(late)
    assert digests[:2] == [simulation.state.digest(2), simulation.state.digest(0)]


def refused(simulation, snapshot, error, match, worlds=None):
    """A restore is refused in one line, and the worlds go on as if nobody had asked."""
    before = [simulation.state.digest(world) for world in range(simulation.num_worlds)]
    with pytest.raises(error, match=match) as said:
        simulation.restore(snapshot, worlds)
    assert "\n" not in str(said.value)
    assert before == [simulation.state.digest(world) for world in range(simulation.num_worlds)]
    simulation.step(np.zeros((simulation.num_worlds, simulation.observers), np.int64))


@pytest.mark.parametrize(
    ("other", "match"),
    [
        ({"spec": "ALS/Tag-v0"}, "of scenario .*Tag-v0.*, these worlds have .*Reach-v0"),
        ({"reach": 0.6}, "task arguments"),
        ({"num_avatars": 2}, "task arguments"),
        ({"num_avatars": 2, "observers": 2}, "task arguments"),
        ({"max_episode_steps": 30}, "max episode steps 30, these worlds have 40"),
        ({"split": "test"}, 'split "test"'),
        ({"sensors": ["touch"]}, "sensors"),
        ({"action_mode": "continuous"}, "action mode"),
        ({"worlds": 2}, "of 2 worlds, and 1 are to be restored"),
    ],
)
def test_a_foreign_snapshot_is_refused_and_nothing_is_lost(make, other, match):
    simulation, theirs = make(), make(**other)
    simulation.reset([1])
    theirs.reset(range(theirs.num_worlds))
    played(simulation, 4)
    refused(simulation, theirs.snapshot(), SnapshotError, match)


def test_a_snapshot_of_another_version_or_engine_is_refused(make):
    simulation = make()
    simulation.reset([1])
    snapshot = simulation.snapshot()
    for name, value in (("version", "0.0.1"), ("engine", "marbles")):
        changed = dataclasses.replace(snapshot, identity={**snapshot.identity, name: value})
        refused(simulation, changed, SnapshotError, f'{name} "{value}"')
    refused(simulation, {"step": 1}, SnapshotError, "a snapshot is needed, got dict")


def tampered(snapshot, name, change):
    arrays = dict(snapshot.arrays)
    arrays[name] = change(arrays[name].copy())
    return dataclasses.replace(snapshot, arrays=arrays)


def filled(value):
    return lambda array: np.full_like(array, value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("avatars.position", filled(np.nan)),
        ("avatars.position", lambda array: array.astype(np.float32)),
        ("avatars.position", lambda array: array[:, :0]),
        ("avatars.held", filled(1 << 20)),
        ("avatars.utterance", filled(-2)),
        ("props.holder", filled(99)),
        ("props.shape", filled(77)),
        ("walls.count", filled(1000)),
        ("walls.position", lambda array: array[:, :1]),
        ("events.used", filled(5000)),
        ("behaviour", filled(0)),
        ("level", filled(-1)),
        ("step", filled(-1)),
        ("bounds", lambda array: array[:, ::-1]),
        ("task.last", lambda array: array[..., :1]),
        ("episode.returns", lambda array: array[:, :0]),
        ("physics.force", filled(np.inf)),
        ("physics.steps", filled(1 << 40)),
        ("physics.moves", filled(-1)),
        ("physics.force", lambda array: array[:, :1]),
        ("physics.quiet", lambda array: array[:, :1]),
    ],
)
def test_arrays_of_no_world_are_refused_and_nothing_is_lost(make, name, change):
    simulation = make()
    simulation.reset([1])
    played(simulation, 5)
    match = name.partition(".")[0]
    refused(simulation, tampered(simulation.snapshot(), name, change), SnapshotError, match)


def test_a_journal_that_leads_elsewhere_is_refused_and_nothing_is_lost(make):
    simulation, twin = make(), make()
    for one in (simulation, twin):
        one.reset([1])
        played(one, 6)
    wrong = tampered(simulation.snapshot(), "physics.force", lambda array: array * 0.5)
    refused(simulation, wrong, PhysicsError, "comes to another moment")
    twin.step([[0]])
    assert simulation.state.digest(0) == twin.state.digest(0)
    actions, future = played(simulation, 10)
    assert [step(twin, each) for each in actions] == future


def test_a_damaged_file_is_refused(make, tmp_path):
    simulation = make()
    simulation.reset([1])
    path = tmp_path / "moment.safetensors"
    simulation.snapshot().save(path)
    whole = path.read_bytes()
    for place in (3, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(SavedFileError) as said:
            Snapshot.load(path)
        assert "\n" not in str(said.value)
    for data in (b"", whole[:-1], whole[:100], whole + b"0", b"\x80\x04K\x01.", b"PK\x03\x04zip"):
        path.write_bytes(data)
        with pytest.raises(SavedFileError):
            Snapshot.load(path)
    with pytest.raises(SavedFileError):
        Snapshot.load(tmp_path / "nowhere")


def test_a_world_without_a_moment_has_no_snapshot(make):
    simulation = make(FAULTY, 2, faults={"physics": level_of(8)})
    with pytest.raises(ResetNeededError, match=r"call reset\(\) before snapshot\(\)"):
        simulation.snapshot()
    simulation.reset([7, 8])
    early = simulation.snapshot()
    with pytest.raises(PhysicsError):
        played(simulation, 9)
    with pytest.raises(ResetNeededError, match="world 1"):
        simulation.snapshot()
    assert simulation.snapshot([0]).num_worlds == 1
    simulation.restore(early)  # It also mends what broke.
    simulation.step(np.zeros((2, 1), np.int64))
    simulation.close()
    for ask in (simulation.snapshot, lambda: simulation.restore(early), lambda: simulation.fork(1)):
        with pytest.raises(ALSError, match="closed"):
            ask()


def test_an_episode_without_an_end_does_not_fill_the_memory(make, monkeypatch):
    monkeypatch.setattr(journal, "REPLAYED", 70)
    simulation = make("ALS/Delivery-v0")
    simulation.reset([1])
    for _ in range(70):
        simulation.advance(np.zeros((1, 1), np.int64))
    simulation.restore(simulation.snapshot())
    simulation.advance(np.zeros((1, 1), np.int64))
    with pytest.raises(PhysicsError, match="too long for a snapshot"):
        simulation.snapshot()
    assert simulation.moving.physics._journal.entries.force.shape[1] == 70
    simulation.reset()
    simulation.restore(simulation.snapshot())
