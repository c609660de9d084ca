"""Runs a submitted agent on seeds that did not exist when it was submitted.

The board keeps a secret. A bundle is committed by its hash, and only then do seeds and levels
exist: HMACs of the hash under the secret. They are told with the result, so that anybody can repeat
it.
"""

from __future__ import annotations

import hashlib
import hmac
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from als_bench.claims import canonical_json
from als_bench.records import Chunk
from als_bench.running.plan import CHUNK
from als_bench.running.tasks import PlayTask, open_seat, play_seated
from als_bench.sandbox.agent import AgentFailure, Limits
from als_bench.sandbox.confinement import (
    Confinement,
    ConfinementError,
    confinement,
    readable,
)
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.system.safe_files import read_bytes

__all__ = [
    "Execution",
    "check_hidden",
    "execute",
    "level_key",
    "read_secret",
    "require_confinement",
    "secret_seed",
]

MIN_SECRET: Final = 32
"""The shortest secret, bytes: as long as what is made of it."""

MAX_SECRET: Final = 1 << 16


@dataclass(frozen=True)
class Execution:
    """The outcome of running an agent.

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
    """The seed of a bundle's execution, up to 62 bits; known to whoever has the secret.

    Args:
        secret: the board's.
        bundle: the bundle's hash.
    """
    digest = hmac.digest(secret, bundle.encode(), hashlib.sha256)
    return int.from_bytes(digest[:8], "big") >> 2


def level_key(secret: bytes, bundle: str, unit: Sequence[str | int]) -> int:
    """The key of the levels that a unit of a bundle is executed on, 128 bits.

    Each unit has its own. It may be told afterwards: it leads to no other one.

    Args:
        secret: the board's.
        bundle: the bundle's hash.
        unit: entry, agent and training seed.
    """
    digest = hmac.digest(secret, canonical_json(["levels", bundle, *unit]), hashlib.sha256)
    return int.from_bytes(digest[:16], "big")


def require_confinement() -> Confinement:
    """Returns the means that agents are confined by here.

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
    task: PlayTask,
    *,
    limits: Limits | None = None,
    force: Confinement | None = None,
    on_episode: Callable[[int], None] = lambda ended: None,
) -> Execution:
    """Lets agents play, each in a process of its own that is shown observations only.

    An agent that misbehaves fails alone: that is a result like any other, see `cells.normalised`.

    Args:
        task: who plays what; its seed is the one of `secret_seed`.
        limits: what each agent may use.
        force: what to confine them by; None for all that the machine has.
        on_episode: called with the number of episodes that have ended.

    Raises:
        UnknownIdError: there is no such scenario or agent.
        ArgumentError: an argument is unknown, or its value is not allowed.
        ConfinementError: the kernel refused to confine an agent.
    """
    force = force or confinement()
    # Known to whoever knows the seed, afterwards; not to the agent, which sees what is made of it.
    salt = hashlib.sha256(f"als rows {task.seed}".encode()).digest()
    keywords = {"limits": limits, "salt": salt, "force": force}
    played: list[Chunk] = []
    failure = ""
    try:
        with ExitStack() as stack:
            agents = [
                stack.enter_context(
                    open_seat(seat, task.entry.scenario, task.arguments, **keywords)
                )
                for seat in task.seats
            ]
            for first in range(0, len(task.episodes), CHUNK):
                part = replace(task, episodes=task.episodes[first : first + CHUNK])

                def count(ended: int, before: int = first) -> None:
                    on_episode(before + ended)

                played.append(play_seated(agents, part, count))
    except AgentFailure as error:
        failure = str(error)
    return Execution(tuple(played), failure, force)
