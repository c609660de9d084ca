"""Does every restored moment have the future that was left?

    python benchmarks/moments.py                             everything: about an hour on one core
    python benchmarks/moments.py ALS/Tag-v0 --views single   some scenarios, some views
    python benchmarks/moments.py --moments 8 --steps 20      fewer moments, shorter futures

Every scenario is played on every engine through the simulation and through every view, with all
sensors. Snapshots are taken at random times; one of ten worlds is ten moments. Each is restored in
the same environment, forked, and saved to a file that a new process loads. Each time the recorded
actions have to give, bit for bit, the recorded observations, rewards, ends, infos and digests. A
difference is one line, and exit status 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from als_engine.conformance.case import Player
from als_engine.envs.parallel import parallel_env
from als_engine.envs.single import SingleEnv
from als_engine.envs.vector import VectorEnv
from als_engine.physics.engines import ENGINES
from als_engine.plugins.registry import registry
from als_engine.sensors import SENSORS
from als_engine.simulation import simulate
from als_engine.world.snapshot import Snapshot

MOMENTS = STEPS = 100
WORLDS = 10
FORKED_STEPS = 25
LIMIT = 150
SEED = 23

Told = list[str]  # One digest for each world.


class SimulationStage:
    """The simulation, played with its own arrays; what views share is inherited from it."""

    def __init__(self, env: Any) -> None:
        self.env = env
        self.player = Player(SEED)
        self.seat = self._seat()
        self.worlds: int = self.seat.num_worlds

    def _seat(self) -> Any:
        """What a player asks for actions: worlds, observers, an action space, an expert."""
        return self.env

    def act(self) -> NDArray[Any]:
        """The player's next actions, (worlds, observers, ...)."""
        return np.array(self.player.act(self.seat))

    def begin(self) -> None:
        """Resets every world."""
        self.env.reset(range(SEED, SEED + self.worlds))

    def play(self, actions: NDArray[Any]) -> Told:
        """Makes one step, and a reset where the view leaves that to its user."""
        shown = self._shown(actions)
        return [_digest((*shown[world], self._state(world))) for world in range(self.worlds)]

    def _shown(self, actions: NDArray[Any]) -> list[tuple[Any, ...]]:
        """All that a step showed, for each world."""
        env = self.env
        env.advance(actions)
        told = {
            "rewards": env.rewards, "terms": env.terms, "returns": env.returns,
            "terminated": env.terminated, "truncated": env.truncated, **env.metrics(),
        }  # fmt: skip
        shown = [{name: array[world].copy() for name, array in told.items()} for world in self._all]
        if (ended := env.terminated | env.truncated).any():
            env.reset(worlds=ended)
        env.observe()
        return [(shown[world], _of_world(env.observations, world)) for world in self._all]

    @property
    def _all(self) -> range:
        return range(self.worlds)

    def _state(self, world: int) -> Any:
        return self.env.state.digest(world)

    def forks(self, world: int) -> list[SimulationStage]:
        """Stages whose every world is at the moment of that world."""
        return [type(self)(self.env.fork(2, world=world))]


class SingleStage(SimulationStage):
    """A Gymnasium environment."""

    def _seat(self) -> Any:
        return self.env.simulation

    def begin(self) -> None:
        self.env.reset(seed=SEED)

    def _shown(self, actions: NDArray[Any]) -> list[tuple[Any, ...]]:
        shown = self.env.step(actions[0, 0])
        again = self.env.reset() if shown[2] or shown[3] else None
        return [(*shown, again)]

    def _state(self, world: int) -> Any:
        return self.env.simulation.state.digest(world)

    def forks(self, world: int) -> list[SimulationStage]:
        return [VectorStage(self.env.fork(2, autoreset_mode="Disabled"))]


class ParallelStage(SingleStage):
    """A PettingZoo environment."""

    def _shown(self, actions: NDArray[Any]) -> list[tuple[Any, ...]]:
        shown = self.env.step(dict(zip(self.env.possible_agents, actions[0], strict=True)))
        again = None if self.env.agents else self.env.reset()
        return [(*shown, again)]

    def forks(self, world: int) -> list[SimulationStage]:
        return [*map(ParallelStage, self.env.fork(2))]


class VectorStage(SimulationStage):
    """A Gymnasium vector environment."""

    def _seat(self) -> Any:
        worlds = self.env.worlds
        return SimpleNamespace(
            num_worlds=self.env.num_envs,
            observers=1,
            action_space=self.env.single_action_space,
            expert_actions=worlds.expert_actions,
        )

    def begin(self) -> None:
        self.env.reset(seed=SEED)

    def _shown(self, actions: NDArray[Any]) -> list[tuple[Any, ...]]:
        shown = self.env.step(actions[:, 0])
        ended, again = shown[2] | shown[3], None
        if self.env.autoreset_mode.value == "Disabled":
            again = self.env.reset(options={"reset_mask": ended}) if ended.any() else None
            return [
                (*_of_world(shown, world), _of_world(again, world) if ended[world] else None)
                for world in self._all
            ]
        return [_of_world(shown, world) for world in self._all]

    def _state(self, world: int) -> Any:
        return self.env.worlds.simulation.state.digest(world)


class WorkersStage(VectorStage):
    """A vector environment with worker processes, whose forks have none."""

    def _state(self, world: int) -> Any:
        return self.env.state()[world]


class SB3Stage(VectorStage):
    """An SB3 `VecEnv`."""

    def _seat(self) -> Any:
        return SimpleNamespace(
            num_worlds=self.env.num_worlds,
            observers=self.env.observers,
            action_space=self.env.action_space,
            expert_actions=self.env.worlds.expert_actions,
        )

    def begin(self) -> None:
        self.env.seed(SEED)
        self.env.reset()

    def _shown(self, actions: NDArray[Any]) -> list[tuple[Any, ...]]:
        env = self.env
        shown = (*env.step(actions.reshape(env.num_envs, *actions.shape[2:])), env.reset_infos)
        rows = [slice(world * env.observers, (world + 1) * env.observers) for world in self._all]
        return [_of_world(shown, each) for each in rows]


def _many(mode: str, workers: int = 1) -> Callable[..., VectorEnv]:
    return partial(VectorEnv, num_envs=WORLDS, workers=workers, autoreset_mode=mode)


def _rows(scenario: str, **given: Any) -> Any:
    # Imported late: torch comes with it, which no other view waits for.
    from als_engine.envs.sb3 import sb3_vec_env

    return sb3_vec_env(scenario, WORLDS, **given)


VIEWS: dict[str, tuple[type[SimulationStage], Callable[..., Any]]] = {
    "simulation": (SimulationStage, partial(simulate, num_worlds=WORLDS)),
    "single": (SingleStage, SingleEnv),
    "parallel": (ParallelStage, parallel_env),
    "next-step": (VectorStage, _many("NextStep")),
    "same-step": (VectorStage, _many("SameStep")),
    "disabled": (VectorStage, _many("Disabled")),
    "workers": (WorkersStage, _many("NextStep", workers=2)),
    "sb3": (SB3Stage, _rows),
}


def open_stage(view: str, scenario: str, physics: str) -> SimulationStage:
    """A view of a scenario with all sensors, not yet reset."""
    extra = registry.load(registry.scenario(scenario)).extra_sensors
    sensors = list(dict.fromkeys((*SENSORS, *extra)))
    stage, make = VIEWS[view]
    given = {"sensors": sensors, "frame_size": 16, "max_episode_steps": LIMIT, "physics": physics}
    return stage(make(scenario, **given))


def differences(
    scenario: str, physics: str, views: list[str], moments: int, steps: int, folder: Path
) -> Iterator[str]:
    """One line for each view and place in which a moment's future is another one.

    Args:
        scenario: the id.
        physics: the engine.
        views: some of `VIEWS`.
        moments: how many moments of worlds, for each view.
        steps: how far ahead is compared.
        folder: an empty one, for the files that the new process reads.
    """
    recorded: dict[str, list[Told]] = {}
    for view in views:
        stage = open_stage(view, scenario, physics)
        try:
            recorded[view] = yield from here(stage, view, moments, steps, folder / view)
        finally:
            stage.env.close()
    call = [sys.executable, __file__, "--again", str(folder)]
    asked = json.dumps({"scenario": scenario, "physics": physics, "views": views, "steps": steps})
    done = subprocess.run(call, input=asked, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    again = json.loads(done.stdout)
    for view in views:
        for at, told in again[view].items():
            yield from _compare(view, "a new process", recorded[view], told, int(at), steps)
        if len(again[view]) != len([*(folder / view).glob("*.safetensors")]):
            yield f"{view}: the new process left moments out"


def here(
    stage: SimulationStage, view: str, moments: int, steps: int, folder: Path
) -> Generator[str, None, list[Told]]:
    """Compares within this process, and writes what another one needs.

    Args:
        stage: not yet reset; the caller closes it.
        view: its name.
        moments: how many moments of worlds; one snapshot is a moment of each of its worlds.
        steps: how far ahead is compared.
        folder: is made.

    Yields:
        What differs, one line for each moment and place.

    Returns:
        What each step showed.
    """
    count = -(-moments // stage.worlds)
    rng = np.random.default_rng(SEED)
    times = set(rng.choice(4 * count + steps, count, replace=False).tolist())
    folder.mkdir()
    stage.begin()
    told: list[Told] = []
    actions: list[NDArray[Any]] = []
    taken: dict[int, Snapshot] = {}
    for step in range(max(times) + steps):
        if step in times:
            taken[step] = stage.env.snapshot()
            taken[step].save(folder / f"{step}.safetensors")
        actions.append(stage.act())
        told.append(stage.play(actions[-1]))
    np.save(folder / "actions.npy", np.stack(actions))
    for at, moment in taken.items():
        stage.env.restore(moment)
        world = int(rng.integers(stage.worlds))
        for fork in stage.forks(world):
            here = [
                fork.play(np.repeat(given[world : world + 1], fork.worlds, axis=0))
                for given in actions[at : at + min(steps, FORKED_STEPS)]
            ]
            fork.env.close()
            then = [[one[world]] * fork.worlds for one in told]
            yield from _compare(view, "a fork", then, here, at, len(here))
        here = [stage.play(given) for given in actions[at : at + steps]]
        yield from _compare(view, "the same worlds", told, here, at, steps)
    return told


def _compare(
    view: str, where: str, told: list[Told], again: list[Told], at: int, steps: int
) -> Iterator[str]:
    """One line for the first step after a moment that shows something else."""
    then = told[at : at + steps]
    if len(then) != len(again):
        yield f"{view}: restored to step {at} in {where}, {len(again)} of {len(then)} steps"
    for step, (one, two) in enumerate(zip(then, again, strict=False)):
        if one != two:
            yield f"{view}: restored to step {at} in {where}, step {step + 1} differs"
            return


def play_again(folder: Path) -> int:
    """What the new process does: plays what lies in a folder from its files; prints digests."""
    asked = json.load(sys.stdin)
    told: dict[str, dict[str, list[Told]]] = {}
    for view in asked["views"]:
        stage = open_stage(view, asked["scenario"], asked["physics"])
        actions = np.load(folder / view / "actions.npy")
        told[view] = {}
        for path in (folder / view).glob("*.safetensors"):
            stage.env.restore(Snapshot.load(path))
            at = int(path.stem)
            told[view][path.stem] = [
                stage.play(given) for given in actions[at : at + asked["steps"]]
            ]
        stage.env.close()
    print(json.dumps(told))
    return 0


def _of_world(value: Any, world: int | slice) -> Any:
    """A world's share of arrays, and of what holds them, without what `_name` says it has not."""
    if isinstance(value, Mapping):
        return {
            name: _of_world(each, world)
            for name, each in value.items()
            if not name.startswith("_") and _has(value, name, world)
        }
    if isinstance(value, tuple):
        return tuple(_of_world(each, world) for each in value)
    return value[world]


def _has(infos: Mapping[str, Any], name: str, world: int | slice) -> bool:
    mask = infos.get(f"_{name}")
    return mask is None or bool(np.any(mask[world]))


def _digest(value: Any) -> str:
    """A digest of nested arrays, numbers and texts, with their types and shapes."""
    digest = hashlib.blake2b(digest_size=16)
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, Mapping):
        for name in sorted(value):
            digest.update(f"{name}:".encode())
            _feed(digest, value[name])
    elif isinstance(value, (list, tuple)):
        digest.update(f"[{len(value)}]".encode())
        for each in value:
            _feed(digest, each)
    elif value is None or isinstance(value, (str, bytes)):
        digest.update(repr(value).encode())
    else:
        array = np.asarray(value)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())


def main() -> int:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ids = [spec.id for spec in registry.scenarios()]
    parser.add_argument("scenarios", nargs="*", default=ids, help="ids; all by default")
    parser.add_argument("--physics", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    parser.add_argument("--moments", type=int, default=MOMENTS, help="of worlds, for each view")
    parser.add_argument("--steps", type=int, default=STEPS, help="compared after each moment")
    parser.add_argument("--again", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.again:
        return play_again(options.again)
    failed = 0
    for scenario in options.scenarios:
        for physics in options.physics:
            with tempfile.TemporaryDirectory() as folder:
                given = (options.views, options.moments, options.steps, Path(folder))
                found = list(differences(scenario, physics, *given))
            failed += len(found)
            print(f"{scenario} on {physics}: {len(found) or 'no'} differences", flush=True)
            for line in found:
                print(f"  {line}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
