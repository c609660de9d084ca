"""A store of results that were never played, always the same: tests make boards from it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from als_bench.claims import claims_of, player_claims
from als_bench.records import Chunk, EpisodeResult, RunRecord, TrainedAgent, Unit
from als_bench.results.store import StoreWriter
from als_engine.options import agent_options
from als_engine.plugins.specs import SuiteEntry, SuiteSpec

ENTITIES = {"sensors": ["entities", "proprioception"]}
SUITE = SuiteSpec(
    id="made",
    summary="Four worlds, six agents, and nothing of it was ever played.",
    entries=(
        SuiteEntry("ALS/Tag-v0", arguments=ENTITIES, steps=50_000, random=-2.0, expert=12.0),
        SuiteEntry("ALS/Diagnosis-v0", steps=50_000, random=0.1, expert=0.9),
        SuiteEntry("ALS/Delivery-v0", steps=50_000, random=0.0, expert=6.0),
        SuiteEntry(
            "ALS/Tag-v0",
            name="Tag in pairs",
            arguments={**ENTITIES, "num_avatars": 3, "num_chasers": 2},
            steps=50_000,
            random=-1.0,
            expert=10.0,
            cross_play=True,
        ),
    ),
    episodes=20,
)
CODE = {"als-engine": "5e" * 32, "als-more-worlds": "0a" * 32}
VERSIONS = {"python": "3.11.9", "numpy": "2.2.6", "torch": "2.13.0", "pybullet": "3.2.7"}
MACHINE: Mapping[str, Any] = {"processor": "Some Processor 9000", "cores": 16, "platform": "Linux"}

SKILL = {"random": 0.0, "expert": 1.0, "ppo": 0.62, "ppo:encoder=attention": 0.74}
SKILL |= {"dqn": 0.35, "sac": 0.58, "steps-first@1a2b3c4d": 0.9, "half": 0.5}
"""What each agent reaches on the normalized scale, about."""


def a_run(key: str, suite: SuiteSpec = SUITE, **fields: Any) -> RunRecord:
    return RunRecord(key, suite.as_dict(), CODE, VERSIONS, MACHINE, **fields)


def claims_about(agent: str, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is claimed about a unit in which this agent played."""
    return claims_of(
        a_run("made-0"),
        scenario="ALS/Tag-v0",
        arguments={},
        split="test",
        observers=1,
        seed=0,
        player=player_claims(agent, config or {}, {}),
    )


def a_chunk(totals: Any, rng: np.random.Generator, steps: int = 3, success: Any = None) -> Chunk:
    """Episodes with these returns."""
    chain = rng.integers(1 << 63, size=len(totals) * steps, dtype=np.uint64)
    results = tuple(
        EpisodeResult(
            episode=i,
            seed=i,
            level=10_000 + i,
            length=steps,
            total=float(total),
            success=float(total > np.mean(totals)) if success is None else float(success[i]),
            terminated=True,
            chain=int(chain[(i + 1) * steps - 1]),
            metrics={"distance": float(abs(total))},
        )
        for i, total in enumerate(totals)
    )
    length = len(totals) * steps
    return Chunk(results, np.zeros((length, 1), np.int64), np.zeros((length, 1)), chain)


def an_agent(agent: str, entry: SuiteEntry) -> dict[str, bytes]:
    """The folder of a saved agent that acts like a registered one."""
    record = {
        "agent": agent,
        "scenario": entry.scenario,
        "arguments": {**entry.arguments, "action_mode": "discrete"},
    }
    return {"agent.json": json.dumps(record).encode()}


def a_training(skill: float, entry: SuiteEntry, rng: np.random.Generator) -> TrainedAgent:
    """A curve that rises from random to about where the agent ends."""
    steps = np.linspace(1_000, entry.steps, 40)
    assert entry.random is not None
    assert entry.expert is not None
    risen = skill * (1 - np.exp(-steps / entry.steps * rng.uniform(3, 7)))
    noisy = risen + np.cumsum(rng.normal(0, 0.012, 40))
    returns = entry.random + noisy * (entry.expert - entry.random)
    curve = tuple((int(s), float(r)) for s, r in zip(steps, returns, strict=True))
    files = an_agent("dqn" if skill > 0.5 else "sac", entry)
    return TrainedAgent(files, curve, entry.steps, 61.5, attempts=1 + int(rng.random() < 0.1))


class Maker:
    """Fills a store."""

    def __init__(self, writer: StoreWriter, seeds: int = 5) -> None:
        self.writer, self.seeds = writer, seeds

    def add(self, run: RunRecord, agent: str, seeds: int | None = None) -> None:
        """All units of an agent."""
        yardstick = agent in ("random", "expert")
        for entry in SuiteSpec(**run.suite).entries:
            for seed in range(1 if yardstick else seeds or self.seeds):
                self.unit(run, entry, agent, seed)

    def unit(self, run: RunRecord, entry: SuiteEntry, agent: str, seed: int) -> None:
        """One unit, played in full."""
        rng = np.random.default_rng(zlib.crc32(f"{entry.name}{agent}{seed}".encode()))
        skill = SKILL[agent] + 0.15 * np.sin(zlib.crc32(f"{agent}{entry.name}".encode()))
        skill = SKILL[agent] if SKILL[agent] in (0, 1) else skill + rng.normal(0, 0.06)
        unit = Unit(run.key, entry.name, agent, seed)
        self.claim(unit)
        if SKILL[agent] not in (0, 1):
            self.writer.add_training(unit, a_training(skill, entry, rng))
        self.writer.add_chunk(unit, self.episodes(entry, skill, rng))

    def claim(self, unit: Unit, player: str = "") -> None:
        """What played: by default what the label says, as it does where nobody chose a name."""
        made = agent_options(unit.agent)
        named = {"half": "sac", "steps-first@1a2b3c4d": "dqn"}
        self.writer.add_claims(unit, claims_about(player or named.get(made[0], made[0]), made[1]))

    def episodes(self, entry: SuiteEntry, skill: float, rng: np.random.Generator) -> Chunk:
        assert entry.random is not None
        assert entry.expert is not None
        scores = rng.normal(skill, 0.2, SuiteSpec(**a_run("x").suite).episodes)
        scores += skill - scores.mean()
        return a_chunk(entry.random + scores * (entry.expert - entry.random), rng)

    def pairs(self, run: RunRecord, agents: list[str], seeds: int) -> None:
        """Everyone beside everyone, where the suite asks for it."""
        for entry in SuiteSpec(**run.suite).entries:
            for one in agents if entry.cross_play else ():
                for other in agents:
                    for seed in range(seeds):
                        name = f"{entry.name} + {other}"
                        rng = np.random.default_rng(zlib.crc32(f"{one}{name}{seed}".encode()))
                        together = 0.7 * SKILL[one] + 0.3 * SKILL[other] + rng.normal(0, 0.03)
                        unit = Unit(run.key, name, one, seed)
                        self.claim(unit)
                        self.writer.add_chunk(unit, self.episodes(entry, together, rng))


def make_store(path: Path, seeds: int = 5) -> Path:
    """Agents of every kind that a board has to tell apart, where they have five seeds.

    Executed: ppo, and ppo with attention. Replayed: dqn, which crashed once. Claimed: sac.
    Provisional: a saved agent with three seeds, executed. Incomplete: half.
    """
    with StoreWriter(path) as writer:
        maker = Maker(writer, seeds)
        run = a_run("made-0123abcd")
        writer.add_run(run)
        for agent in ("random", "expert", "ppo", "ppo:encoder=attention", "dqn", "sac"):
            maker.add(run, agent)
        for seed in range(seeds):
            maker.unit(run, SUITE.entries[0], "half", seed)
        crashed = Unit(run.key, "ALS/Delivery-v0", "dqn", 3)
        writer.add_failure(crashed, "its process ended with signal 11 <b>at step 17</b>")
        maker.pairs(run, ["ppo:encoder=attention", "ppo", "expert", "random"], seeds=min(seeds, 2))
        writer.add_verdict(run.key, "dqn", "replayed", "d" * 64, "400 episodes")
        for agent, digit in (("ppo", "b"), ("ppo:encoder=attention", "c")):
            writer.add_verdict(run.key, agent, "replayed", digit * 64, "400 episodes")
            executed = a_run(f"made-executed-{digit}", tier="executed", bundle=digit * 64)
            writer.add_run(executed)
            maker.add(executed, agent)
        executed = a_run("made-executed-e", tier="executed", bundle="e" * 64)
        writer.add_run(executed)
        maker.add(executed, "steps-first@1a2b3c4d", seeds=min(seeds, 3))
    return path
