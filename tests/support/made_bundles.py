"""Bundles of short episodes, made in memory and honest, and what is needed to tamper with them.

A tamperer here is thorough: `sealed` gives a bundle whose hashes fit, whatever was changed.
"""

from __future__ import annotations

import copy
import hashlib
import json

import numpy as np
from learn_worlds import ID, NO_EXPERT, TRADE

from als_bench.checking.manifest import MANIFEST, SEAL
from als_bench.checking.writing import Source, assemble
from als_bench.claims import canonical_json, claims_of, digest_of, origin_of
from als_bench.claims import player_claims as player
from als_bench.provenance import run_record
from als_bench.records import Unit
from als_bench.running.playing import Setting, Stage, play
from als_engine import SuiteSpec
from als_engine.agents.agent import Agent
from als_engine.agents.saving import spaces
from als_engine.bodies.bounds import action_bounds
from als_engine.system.safe_files import pack_tensors, unpack_tensors

EPISODES = 3
STEPS = 12
SUITE = SuiteSpec(
    "made",
    entries=(
        {"scenario": ID, "arguments": {"max_episode_steps": STEPS}, "random": -1.0, "expert": 1.0},
        {
            "scenario": TRADE,
            "name": "two at once",
            "arguments": {"max_episode_steps": STEPS, "num_avatars": 2},
            "observers": 2,
        },
        {
            "scenario": NO_EXPERT,
            "name": "company",
            "arguments": {"max_episode_steps": STEPS, "num_avatars": 2},
            "held_out": {"background": "roam"},
            "random": 0.0,
            "expert": 2.0,
        },
    ),
    agents=("random",),
    seeds=1,
    episodes=EPISODES,
)


class Stroller(Agent):
    """Walks at random, in a way of its own."""

    def __init__(self, observation_space, action_space, way):
        super().__init__(observation_space, action_space)
        self.way = way

    def act(self, observation, state=None, deterministic=True):
        rows = len(next(iter(observation.values())))
        space = self.action_space
        low, high = action_bounds(space)
        if space.dtype.kind == "f":
            return self.way.uniform(low, high, (rows, *space.shape)), state
        return self.way.integers(low, high + 1, (rows, *space.shape)), state


class Stages:
    """Stages by name, kept open."""

    def __init__(self):
        self._open = {}

    def __getitem__(self, key):
        return self._open.setdefault(key, Stage())

    def close(self):
        for stage in self._open.values():
            stage.close()


def honest(way, stages, entry=SUITE.entries[0], agents=("one", "two"), mode="discrete"):
    """The files of a bundle in which agents have played an entry, one after the other."""
    run = run_record(SUITE)
    arguments = {**entry.arguments, **entry.held_out, "action_mode": mode}
    agent = Stroller(*spaces(entry.scenario, arguments), way)
    sources = []
    for label in agents:
        claims = claims_of(
            run,
            scenario=entry.scenario,
            arguments=arguments,
            split=entry.split,
            observers=entry.observers,
            seed=0,
            player=player("learn/habit", {"label": label}, {}),
        )
        chunk = play(
            agent,
            Setting(entry, arguments, entry.split, origin_of(claims)),
            range(EPISODES),
            stage=stages[entry.name, mode, "play"],
        )
        sources.append(Source(Unit(run.key, entry.name, label, 0), claims, chunk))
    files = {}
    assemble(run, sources, {}, lambda digest: {}, files.__setitem__)
    return files


def opened(files):
    """The parts of a bundle that can be changed: the manifest, and the arrays of each log."""
    manifest = json.loads(files[MANIFEST])
    logs = {
        name: {key: array.copy() for key, array in unpack_tensors(data, name).items()}
        for name, data in files.items()
        if name.startswith("logs/")
    }
    return copy.deepcopy(manifest), logs


def sealed(manifest, logs):
    """A bundle of changed parts, with every hash as it should be."""
    packed = {name: pack_tensors(arrays) for name, arrays in logs.items()}
    manifest["files"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in packed.items()
    }
    for unit in manifest["units"]:
        rescore(manifest, unit, logs[unit["log"]])
    return close(manifest, packed)


def close(manifest, packed):
    """A bundle of a manifest and files."""
    data = canonical_json(manifest)
    return {**packed, MANIFEST: data, SEAL: f"{hashlib.sha256(data).hexdigest()}\n".encode()}


def rekey(manifest):
    """Gives the run the key that its suite, code and versions have."""
    parts = {name: manifest[name] for name in ("code", "suite", "versions")}
    manifest["run"] = f"{manifest['suite']['id']}-{digest_of(parts)[:8]}"


def rescore(manifest, unit, log):
    """Makes a unit's scores those of its log, but for what was changed on purpose."""
    if unit.pop("keep", False):
        return
    entry = next(e for e in manifest["suite"]["entries"] if e["name"] == unit["entry"])
    count = len(log["total"])
    total = sum(log["total"].tolist()) / count
    low, high = entry["random"], entry["expert"]
    unit["scores"] = {
        "total": total,
        "success": sum(log["success"].tolist()) / count,
        "length": sum(log["length"].tolist()) / count,
        "normalized": None if low is None else (total - low) / (high - low),
    }


def rows(log, episode):
    """Where in a log the steps of an episode are."""
    ends = np.cumsum(log["length"])
    return slice(int(ends[episode] - log["length"][episode]), int(ends[episode]))


def retotal(log):
    """Makes every episode's return that of its rewards, added up as an evaluation does."""
    for episode in range(len(log["total"])):
        total = 0.0
        for reward in log["rewards"][rows(log, episode)]:
            total += reward.mean()
        log["total"][episode] = total
