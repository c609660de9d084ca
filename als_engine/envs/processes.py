"""Starts processes for the engine's work without importing the caller's script.

`multiprocessing` starts a process by importing the script once more: without a guard it runs again,
and a notebook or a program on stdin has nothing to import. Here an interpreter is started on this
module and told by a pipe what to do. Classes that the script or the notebook has defined itself are
sent as they are.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from multiprocessing.spawn import get_executable
from types import ModuleType, SimpleNamespace
from typing import Any, Final, NamedTuple, NoReturn

import cloudpickle

from als_engine.errors import ALSError, WorkerError
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import Spec, load_object
from als_engine.system import host
from als_engine.system.ownership import Owner

__all__ = ["Failure", "Process"]

_GRACE: Final = 5.0
_WATCH: Final = 0.5
_MAIN: Final = "__main__"
_START: Final = (
    "import gc, json, sys; gc.disable(); sys.path[:] = json.loads(sys.argv[2]); "
    "from als_engine.envs.processes import main; main()"
)
"""The garbage collector waits until all is imported: it looked through it again and again."""


class Process(Owner):
    """A process that runs a function of ours; it ends with this one, however that ends.

    Ctrl-C, which a terminal sends to all, never reaches it. It belongs to this process: a fork of
    this one cannot talk with it.

    Attributes:
        pipe: to the function. What it sends may be a `Failure`.
        pid: its number.
    """

    def __init__(
        self,
        function: Callable[..., None],
        *arguments: Any,
        specs: Iterable[Spec] = (),
        descriptors: Sequence[int] = (),
        blocked: Sequence[signal.Signals] = (signal.SIGINT,),
        watched: bool = True,
        patience: float = _GRACE,
    ) -> None:
        """Starts it; its first message says whether that worked.

        Args:
            function: called with the pipe's other end and the arguments.
            arguments: may hold what the script has defined.
            specs: whose classes the process needs besides those that are installed.
            descriptors: open files that it inherits, under the same numbers.
            blocked: signals that it never sees.
            watched: whether it also ends, in the middle of its work, when this process has died;
                else it ends when it next looks at its pipe.
            patience: how long it may take to end when the pipe is closed, seconds.

        Raises:
            WorkerError: an argument cannot be sent.
        """
        super().__init__()
        job = _pack(function, arguments, specs, watched)
        self.pipe, theirs = Pipe()
        path = [entry or os.getcwd() for entry in sys.path]
        command = [
            get_executable(),
            *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
            "-c", _START, str(theirs.fileno()), json.dumps(path),
        ]  # fmt: skip
        with host.blocked(blocked):
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, **host.inherited(theirs.fileno(), descriptors)
            )
        theirs.close()  # Else its end would stay open when the process dies.
        self.pid = self._popen.pid
        self._end = weakref.finalize(self, _end, self._popen, self.pipe, os.getpid(), patience)
        with suppress(ConnectionError):  # It has died: the answer says so.
            self.pipe.send_bytes(job)

    @property
    def exitcode(self) -> int | None:
        """The exit code, or the negative number of a signal; None while it runs."""
        return self._popen.poll()

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.exitcode is None

    def has_died(self, error: Exception) -> bool:
        """Whether an error of the pipe's came from the process's end; waits until it has ended.

        A signal handler of the caller's may raise the same classes, `TimeoutError` above all.
        """
        if isinstance(error, TimeoutError):
            return False
        self.join(_GRACE)
        return not self.is_alive()

    def join(self, seconds: float | None = None) -> None:
        """Waits until it has ended, but not longer than so many seconds."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)

    def kill(self) -> None:
        """Ends it at once."""
        self.check_owner()
        self._popen.kill()

    def close(self) -> None:
        """Closes the pipe, which ends it, and kills it when it does not end."""
        self._end()


def _end(process: subprocess.Popen[bytes], pipe: Connection, owner: int, patience: float) -> None:
    pipe.close()
    if owner != os.getpid():  # A fork has inherited our end, and may do no more than close it.
        process.returncode = 0
        return
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Failure(NamedTuple):
    """The answer of a process in which something has failed."""

    error: Exception
    traceback: str

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """The error that is being handled: itself where it can be sent, else its text."""
        text = traceback.format_exc()
        try:
            if type(pickle.loads(cloudpickle.dumps(error))) is type(error):
                return cls(error, text)
        except Exception:  # An argument that is a lock, a constructor that wants two, ...
            pass
        return cls(WorkerError(f"a worker failed: {type(error).__name__}: {error}"), text)

    def send(self, pipe: Connection) -> None:
        """Sends it to the other end of a pipe, classes of the script's own included."""
        pipe.send_bytes(cloudpickle.dumps(self))

    def throw(self) -> NoReturn:
        """Raises the error; one that is not the user's shows where it was."""
        # What is wrong with the user's own arguments needs no traceback of ours.
        cause = None if isinstance(self.error, ALSError) else _RemoteTraceback(self.traceback)
        raise self.error from cause


class _RemoteTraceback(Exception):  # noqa: N818 - It is shown as a cause, never raised.
    """A process's traceback as text: what the error in the parent shows as its cause."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


# -- what a process is told -----------------------------------------------------------------------


class _Job(NamedTuple):
    """The first message, whose parts are unpickled one after the other.

    Attributes:
        argv: of the parent.
        parent: the number of the process to end with; 0 for none, see `Process`.
        objects: what specs name in the script itself, by name, pickled.
        plugins: hooks that were added while the parent ran, each pickled.
        work: function and arguments, pickled.
    """

    argv: list[str]
    parent: int
    objects: bytes
    plugins: list[bytes]
    work: bytes


def _pack(
    function: Callable[..., None], arguments: Sequence[Any], specs: Iterable[Spec], watched: bool
) -> bytes:
    every = [*specs, *(spec for added in registry.added for spec in added.plugin.specs)]
    try:
        objects = cloudpickle.dumps(_objects(every))
        work = cloudpickle.dumps((function, tuple(arguments)))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise WorkerError(
            f"cannot be sent to a worker process ({reason}): use workers=1, or define in a module "
            "of its own what holds it"
        ) from error
    plugins = []
    for plugin, hooks, namespaces in registry.added:
        given = (_sendable(hooks), plugin.distribution, plugin.name, namespaces)
        try:
            plugins.append(cloudpickle.dumps(given))
        except Exception as error:
            warnings.warn(
                f"plugin {plugin.distribution} is not known in worker processes: it cannot be sent "
                f"there ({type(error).__name__}: {error})",
                RuntimeWarning,
                stacklevel=4,
            )
    parent = os.getpid() if watched else 0
    return pickle.dumps(tuple(_Job([*sys.argv], parent, objects, plugins, work)))


def _objects(specs: Iterable[Spec]) -> dict[str, Any]:
    """The classes that specs name in the script or the notebook itself."""
    references = [
        value
        for spec in specs
        for field in ("task", "sensor", "agent", "encoder")
        if isinstance(value := getattr(spec, field, None), str)
    ]
    return {
        reference.partition(":")[2]: load_object(reference)
        for reference in references
        if reference.startswith(f"{_MAIN}:")
    }


def _sendable(hooks: object) -> object:
    """The hooks; those of the script itself without the script."""
    if isinstance(hooks, ModuleType) and hooks.__name__ == _MAIN:
        marked = {
            name: value for name, value in vars(hooks).items() if hasattr(value, "als_engine_impl")
        }
        return SimpleNamespace(**marked)
    return hooks


def main() -> None:
    """Runs in every process that `Process` has started."""
    pipe = host.pipe_of(int(sys.argv[1]))
    with suppress(EOFError, ConnectionError):  # The parent is gone.
        try:
            job = _Job(*pickle.loads(pipe.recv_bytes()))
            sys.argv[:] = job.argv
            if job.parent:
                threading.Thread(target=_watch, args=(job.parent,), daemon=True).start()
            vars(sys.modules[_MAIN]).update(pickle.loads(job.objects))
            for plugin in job.plugins:
                hooks, *others = pickle.loads(plugin)
                # What is installed as well has been found, and a module that adds itself has done
                # so when its hooks were imported.
                known = [(added.plugin.distribution, added.plugin.name) for added in registry.added]
                if not registry.has(hooks) and tuple(others[:2]) not in known:
                    registry.add(hooks, *others)
            function, arguments = pickle.loads(job.work)
            gc.freeze()  # What is imported stays to the end.
            gc.enable()
        except (EOFError, ConnectionError):
            raise
        except Exception as error:
            Failure.of(error).send(pipe)
            return
        function(pipe, *arguments)


def _watch(parent: int) -> None:
    """Ends this process when its parent has died, also in the middle of its work."""
    while host.has_parent(parent):
        time.sleep(_WATCH)
    os._exit(1)
