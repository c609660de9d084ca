"""An agent in a process of its own, which is shown observations and asked for actions.

`SandboxedAgent` looks like any other agent to whoever evaluates it. Behind it stands a fresh
interpreter that has confined itself (see `confinement.py`) before it imported the agent: it reads
what is installed, writes into a scratch folder, reaches no network and no other process, and is
killed when it takes too long. Whatever it does wrong is an `AgentFailure`, one line.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from als_bench.sandbox import scratch
from als_bench.sandbox.channel import AgentFailure, Channel
from als_bench.sandbox.confinement import (
    Confinement,
    ConfinementError,
    confinement,
    import_path,
    walls,
    world_modules,
)
from als_engine.agents.agent import Agent, Observation
from als_engine.agents.masks import ACTION_MASK, mask_size
from als_engine.agents.saving import RECORD, AgentRecord, spaces
from als_engine.bodies.bounds import action_bounds
from als_engine.errors import ArgumentError
from als_engine.plugins.registry import registry

__all__ = ["AgentFailure", "Limits", "SandboxedAgent"]

_CHILD: Final = Path(__file__).with_name("child.py")
_INHERITED: Final = ("ALS_DISABLE_PLUGINS", "ALS_PLUGINS", "LD_LIBRARY_PATH")
"""All that the agent's process gets of the environment; none of it is secret. Not whether plugins
are loaded strictly: those of scenarios cannot be in there."""


@dataclass(frozen=True)
class Limits:
    """The resources that an agent may use.

    Attributes:
        seconds_per_act: for the actions of all rows at one step.
        seconds_to_start: to import its libraries and load its weights.
        seconds: for everything together, as far as we wait for it.
        memory_bytes: of address space, libraries included.
        scratch_bytes: of files.
        threads: at once.
    """

    seconds_per_act: float = 10.0
    seconds_to_start: float = 120.0
    seconds: float = 3_600.0
    memory_bytes: int = 8 << 30
    scratch_bytes: int = 256 << 20
    threads: int = 64

    def as_rlimits(self) -> dict[str, int]:
        """The limits that the kernel enforces."""
        cores = os.cpu_count() or 1
        return {
            "RLIMIT_AS": self.memory_bytes,
            # A thread on every core may compute all the time; waiting is limited by us.
            "RLIMIT_CPU": int(self.seconds + self.seconds_to_start) * cores + 1,
            "RLIMIT_FSIZE": self.scratch_bytes,
            "RLIMIT_NOFILE": 256,
            "RLIMIT_CORE": 0,
            "RLIMIT_MSGQUEUE": 0,
        }

    def as_quota(self) -> dict[str, int]:
        """The limits that are enforced in other ways; see `child.bound`."""
        return {
            "threads": self.threads,
            "bytes": self.scratch_bytes,
            "files": scratch.MAX_FILES,
        }


class SandboxedAgent(Agent):
    """An agent that acts in a process of its own; a context manager.

    It belongs to the thread that makes it: when that ends, the process is killed.

    Attributes:
        force: what its process is confined by.
        pid: of its process.
        samples: true for all, so that it is asked for samples; the process knows its agent, and
            gives the best action where that one has no distribution.
        reads_masks: as its agent says.
    """

    samples = True

    def __init__(
        self,
        files: Mapping[str, bytes] | None,
        agent_id: str,
        scenario: str,
        arguments: Mapping[str, Any],
        config: Mapping[str, Any] | None = None,
        *,
        limits: Limits | None = None,
        salt: bytes = b"",
        force: Confinement | None = None,
    ) -> None:
        """Starts the process and waits until it has made the agent.

        Args:
            files: name to content of the saved agent's folder, whose configuration counts; None
                or empty for none.
            agent_id: its registered id.
            scenario: where it is to act.
            arguments: keyword arguments of the scenario.
            config: keyword arguments of the agent.
            limits: what it may use.
            salt: the agent's own seeds are made of the worlds' seeds and this. Where those are
                secret this has to be, too; the same salt gives the same seeds.
            force: what to confine it by; None for all that the machine has.

        Raises:
            UnknownIdError: there is no such agent or scenario.
            ConfinementError: this is not Linux, or the kernel refused to confine it.
            AgentFailure: it did not start.
        """
        if not sys.platform.startswith("linux"):
            raise ConfinementError("agents are kept in processes of their own, which needs Linux")
        spec = registry.agent(agent_id)
        saved = _saved_config(files or {})
        super().__init__(*spaces(scenario, arguments), **(saved or config or {}))
        self.limits = limits or Limits()
        self.force = force or confinement()
        self._salt = salt
        self._bounds = action_bounds(self.action_space)
        self._keys = list(self.observation_space.spaces)
        self._handle = 0
        self._left = self.limits.seconds
        self._counted = 0.0
        self._bounded: frozenset[str] = frozenset()
        self._hidden_modules = world_modules(spec.agent) if self.force.landlock else []
        folder = scratch.make_folder()
        self._scratch = folder / "scratch"
        self._channel = Channel()
        self._process = self._spawn()
        self.pid = self._process.pid
        self._finalizer = weakref.finalize(self, _end, self._process, folder, self._channel)
        try:
            self._start(agent_id, folder, dict(files or {}))
        except BaseException:
            self.close()
            raise

    # -- what an agent does -----------------------------------------------------------------------

    def seed(self, seed: int) -> None:
        """Seeds the agent with a number made of this one."""
        self._ask({"do": "seed", "seed": self._hidden(seed)})

    def act(
        self, observation: Observation, state: Any = None, deterministic: bool = True
    ) -> tuple[NDArray[Any], Any]:
        """Asks for the actions; the state that is returned stands for the agent's own.

        Raises:
            AgentFailure: no actions in time, or what came is none.
        """
        arrays = [np.ascontiguousarray(observation[key]) for key in self._keys]
        rows = len(arrays[0])
        message = {
            "do": "act",
            "rows": rows,
            "state": self._known(state),
            "deterministic": deterministic,
        }
        actions = self._ask(message, arrays, rows)
        return actions, self._next()

    def restart(
        self, state: Any, rows: NDArray[np.bool_], seeds: Sequence[int] | None = None
    ) -> Any:
        """Tells which rows begin; their seeds are made of the ones given."""
        hidden = None if seeds is None else [self._hidden(seed) for seed in seeds]
        message = {
            "do": "restart",
            "rows": len(rows),
            "state": self._known(state),
            "seeds": hidden,
        }
        self._ask(message, [np.ascontiguousarray(rows, np.bool_)])
        return self._next()

    def close(self) -> None:
        """Kills the process and removes its folder; what it has not answered it never will."""
        self._finalizer()

    def __enter__(self) -> SandboxedAgent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- how --------------------------------------------------------------------------------------

    def _known(self, state: Any) -> bool:
        """Whether the process is to go on from its state; it keeps the latest one."""
        if state is not None and state != self._handle:
            raise ArgumentError("a sandboxed agent goes on from its latest state, or from none")
        return state is not None

    def _next(self) -> int:
        self._handle += 1
        return self._handle

    def _hidden(self, seed: int) -> int:
        digest = hmac.digest(self._salt, str(seed).encode(), hashlib.sha256)
        return int.from_bytes(digest[:8], "little") >> 2

    def _spawn(self) -> subprocess.Popen[bytes]:
        own = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        threads = ("OMP", "OPENBLAS", "MKL", "NUMBA")
        folder = str(self._scratch)
        # -I and -S: neither the environment nor .pth files of anybody's say what is run first.
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(_CHILD), *map(str, self._channel.their_ends)],
            env={
                **own,
                **{f"{name}_NUM_THREADS": "1" for name in threads},
                **dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), folder),
                "LANG": "C.UTF-8",
                "ALS_PLUGIN_TIMEOUT": "0",  # Outside they were tried before.
            },
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=self._channel.their_ends,
            start_new_session=True,
        )
        self._channel.handed_over()
        return process

    def _start(self, agent_id: str, folder: Path, files: Mapping[str, bytes]) -> None:
        agent = folder / "agent"
        for name, content in files.items():
            if Path(name).name != name:
                raise AgentFailure(f"the agent's folder has a file that lies elsewhere: {name!r}")
            (agent / name).write_bytes(content)
        job = {
            "walls": walls(
                self.force,
                self._process.pid,
                self._scratch,
                agent,
                self.limits.as_rlimits(),
                self.limits.as_quota(),
                self._hidden_modules,
            ),
            "hidden": self._hidden_modules,
            "path": import_path(),
            "spaces": pickle.dumps((self.observation_space, self.action_space)).hex(),
            "agent": agent_id,
            "config": self.config,
            "folder": str(agent) if files else "",
        }
        # It answers twice: nothing of the agent's has been imported before the first one.
        try:
            answer = self._ask(job, seconds=self.limits.seconds_to_start)
        except AgentFailure as error:
            raise ConfinementError(str(error)) from error
        self._bounded = frozenset(answer["bounded"])
        self._check_walls()
        answer = self._ask(None, seconds=self.limits.seconds_to_start)
        self.reads_masks = answer.get("reads_masks") is True and mask_size(self.action_space) > 0
        if self.reads_masks:
            self._keys.append(ACTION_MASK)

    def _check_walls(self) -> None:
        """Asks the kernel, not the process, whether it is confined."""
        if not self.force.complete:
            return
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        wanted = {"NoNewPrivs": 1, "Seccomp": 2, "CapEff": 0, "CapBnd": 0}
        for name, value in wanted.items():
            if int(found[name].strip(), 16) != value:
                raise ConfinementError(f"a process is not confined: {name} is {found[name]}")

    def _ask(
        self,
        message: Mapping[str, Any] | None,
        arrays: Sequence[NDArray[Any]] = (),
        rows: int | None = None,
        *,
        seconds: float | None = None,
    ) -> Any:
        """One question and its answer: the actions where `rows` are asked for, else the header."""
        began = time.monotonic()
        allowed = self.limits.seconds_per_act if seconds is None else seconds
        deadline = began + min(allowed, self._left)
        if not self._finalizer.alive:
            raise AgentFailure("the agent's process has been ended")
        try:
            if message is not None:
                self._channel.send(message, arrays, deadline, self._watch)
            header = self._channel.header(deadline, self._watch)
            answer = header if rows is None else self._actions(header, rows, deadline)
            self._watch()
        except TimeoutError:
            self.close()
            if allowed > self._left:
                most = self.limits.seconds
                raise AgentFailure(f"the agent took more than {most:g} s in all") from None
            raise AgentFailure(f"the agent did not answer within {allowed:g} s") from None
        except EOFError:
            raise AgentFailure(self._obituary()) from None
        except BaseException:
            self.close()
            raise
        self._left -= time.monotonic() - began
        return answer

    def _actions(self, header: Mapping[str, Any], rows: int, deadline: float) -> NDArray[Any]:
        """Reads the actions that a header announces, and holds them against the space."""
        space = self.action_space
        shape = [rows, *(space.shape or ())]
        if header.get("shape") != shape:
            got = json.dumps(header.get("shape"))[:60]
            raise AgentFailure(f"the agent's actions have shape {got}, not {shape}")
        continuous = isinstance(space, gymnasium.spaces.Box)
        dtype = _DTYPES["f" if continuous else "iu"].get(str(header.get("dtype")))
        if dtype is None:
            got = json.dumps(header.get("dtype"))[:60]
            raise AgentFailure(f"the agent's actions are {got}, not {space.dtype}")
        size = math.prod(shape) * dtype.itemsize
        data = self._channel.body(size, deadline, self._watch)
        actions = np.frombuffer(data, dtype).reshape(shape)
        low, high = self._bounds
        inside = (actions >= low) & (actions <= high)  # NaN is not.
        if not inside.all():
            raise AgentFailure(f"the agent's action {actions[~inside][0]} is not in {space}")
        return actions.astype(space.dtype, copy=False)

    def _watch(self) -> None:
        """Measures what the kernel does not bound here, at most four times a second."""
        now = time.monotonic()
        if now - self._counted < 0.25:
            return
        self._counted = now
        if "threads" not in self._bounded and scratch.threads(self.pid) > self.limits.threads:
            raise AgentFailure(f"the agent had more than {self.limits.threads} threads")
        if "disk" in self._bounded:
            return
        unnamed = scratch.unnamed_bytes(self.pid, self._scratch)
        if not scratch.fits(self._scratch, self.limits.scratch_bytes - unnamed):
            most = self.limits.scratch_bytes >> 20
            raise AgentFailure(f"the agent wrote more than {most} MiB or {scratch.MAX_FILES} files")

    def _obituary(self) -> str:
        """How the process died."""
        with suppress(subprocess.TimeoutExpired):
            # It may have closed its pipe and live on; then it is killed.
            self._process.wait(1.0)
        code = self._process.returncode
        self.close()
        if code is None:
            return "the agent's process hung up"
        if code < 0:
            with suppress(ValueError):
                return f"the agent's process was killed by {signal.Signals(-code).name}"
        return f"the agent's process ended with exit code {code}"


_DTYPES: Final = {
    kinds: {np.dtype(code).str: np.dtype(code) for code in codes}
    for kinds, codes in {"iu": "bBhHiIlL", "f": "fd"}.items()
}
"""The kinds of numbers that actions may be, by how a header names them."""


def _saved_config(files: Mapping[str, bytes]) -> Mapping[str, Any] | None:
    """What the agent was made with when it was saved; what was asked for may have been less."""
    if RECORD not in files:
        return None
    try:
        return AgentRecord.model_validate_json(files[RECORD]).config
    except ValidationError as error:
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise AgentFailure(f"{RECORD} is not one of a saved agent: {reason}") from None


def _end(process: subprocess.Popen[bytes], folder: Path, channel: Channel) -> None:
    """Leaves nothing behind: no process, no zombie, no folder."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    channel.close()
    scratch.remove(folder)
