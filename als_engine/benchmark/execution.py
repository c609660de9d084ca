"""Runs somebody's agent itself, on seeds that nobody knew when it was handed in.

The board keeps a secret. A bundle is committed by its hash, and only then do the seeds exist: the
HMAC of the hash under the secret. They are told with the result, so that anybody can repeat it.
"""

from __future__ import annotations

import hashlib
import hmac
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from als_engine.agent import Agent
from als_engine.benchmark.cells import normalised
from als_engine.benchmark.confinement import Confinement, ConfinementError, confinement, readable
from als_engine.benchmark.contestants import YARDSTICKS
from als_engine.benchmark.pairing import Pair
from als_engine.benchmark.plan import chunks
from als_engine.benchmark.playing import play
from als_engine.benchmark.records import Chunk
from als_engine.benchmark.sandbox import AgentFailure, Limits, SandboxedAgent
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.safe_files import read_bytes
from als_engine.saving import make_agent
from als_engine.specs import SuiteEntry

__all__ = [
    "Execution",
    "Player",
    "check_hidden",
    "execute",
    "normalised",
    "read_secret",
    "require_confinement",
    "secret_seed",
]

MIN_SECRET: Final = 32
"""The shortest secret, bytes: as long as what is made of it."""

MAX_SECRET: Final = 1 << 16


@dataclass(frozen=True)
class Player:
    """An agent as a bundle has it.

    Attributes:
        agent: registered id.
        config: hyperparameters.
        files: of the saved agent; empty for one that is made by its id.
    """

    agent: str
    config: Mapping[str, Any]
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Execution:
    """What came of running an agent.

    Attributes:
        chunks: the episodes that were played and their logs.
        failure: why there are no more; empty when all were played.
        force: what the agent was confined by.
    """

    chunks: tuple[Chunk, ...]
    failure: str
    force: Confinement

    @property
    def ranks(self) -> bool:
        """Whether the result may be ranked: an agent that was free proves nothing."""
        return self.force.complete


def read_secret(path: Path) -> bytes:
    """The board's secret, which nobody else may be able to read.

    Raises:
        SavedFileError: it is missing, too short, or others may read it.
    """
    secret = read_bytes(path, MAX_SECRET)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SavedFileError(f"{path} can be read by others: chmod 600 {path}")
    if len(secret) < MIN_SECRET:
        raise SavedFileError(
            f"{path} has {len(secret)} bytes; a secret has at least {MIN_SECRET}: "
            f"(umask 077; head -c {MIN_SECRET} /dev/urandom > {path})"
        )
    return secret


def secret_seed(secret: bytes, bundle: str) -> int:
    """The seed of episode 0 for a bundle, up to 62 bits; known to whoever has the secret.

    Args:
        secret: the board's.
        bundle: the bundle's hash.
    """
    digest = hmac.digest(secret, bundle.encode(), hashlib.sha256)
    return int.from_bytes(digest[:8], "big") >> 2


def require_confinement() -> Confinement:
    """What agents are confined by here.

    Raises:
        ConfinementError: it is not enough to rank them; says what is missing.
    """
    force = confinement()
    if not force.complete:
        raise ConfinementError(str(force))
    return force


def check_hidden(paths: Sequence[Path]) -> None:
    """Makes sure that a confined agent cannot read some files.

    Raises:
        ArgumentError: one lies among the code that agents may read.
    """
    for path in paths:
        if readable(path):
            raise ArgumentError(
                f"{path} lies among installed code, which agents can read: keep it elsewhere"
            )


def execute(
    players: Sequence[Player],
    entry: SuiteEntry,
    episodes: int,
    *,
    seed: int,
    arguments: Mapping[str, Any],
    origin: bytes,
    limits: Limits | None = None,
    force: Confinement | None = None,
    on_episode: Callable[[int], None] = lambda ended: None,
) -> Execution:
    """Lets agents play, each in a process of its own that is shown observations only.

    An agent that misbehaves fails alone: that is a result like any other, see `normalised`.

    Args:
        players: one agent for all avatars that are driven, or two, of which the first one counts.
        entry: where.
        episodes: how many.
        seed: of episode 0; see `secret_seed`.
        arguments: all keyword arguments of the scenario.
        origin: what the hash chains come from.
        limits: what each agent may use.
        force: what to confine them by; None for all that the machine has.
        on_episode: called with the number of episodes that have ended.

    Raises:
        UnknownIdError: there is no such scenario or agent.
        ArgumentError: an argument is unknown, or its value is not allowed.
        ConfinementError: the kernel refused to confine an agent.
    """
    force = force or confinement()
    played: list[Chunk] = []
    # Known to whoever knows the seed, afterwards; not to the agent, which sees what is made of it.
    salt = hashlib.sha256(f"als rows {seed}".encode()).digest()
    try:
        with ExitStack() as stack:
            agents = [
                stack.enter_context(_open(player, entry.scenario, arguments, limits, salt, force))
                for player in players
            ]
            for part in chunks(episodes, set()):
                chunk = play(
                    agents[0] if len(agents) == 1 else Pair(*agents),
                    entry,
                    part,
                    split=entry.split,
                    seed=seed,
                    arguments=arguments,
                    origin=origin,
                    scored=entry.observers if len(agents) == 1 else 1,
                    on_episode=lambda ended, before=part.start: on_episode(before + ended),  # type: ignore[misc]
                )
                played.append(chunk)
    except AgentFailure as error:
        return Execution(tuple(played), str(error), force)
    return Execution(tuple(played), "", force)


@contextmanager
def _open(
    player: Player,
    scenario: str,
    arguments: Mapping[str, Any],
    limits: Limits | None,
    salt: bytes,
    force: Confinement,
) -> Iterator[Agent]:
    if player.agent in YARDSTICKS:
        # The expert has to see the worlds, and nobody else's code is in these two.
        yield make_agent(player.agent, scenario, arguments)
        return
    with SandboxedAgent(
        player.files,
        player.agent,
        scenario,
        arguments,
        player.config,
        limits=limits,
        salt=salt,
        force=force,
    ) as agent:
        yield agent
