"""Starts programs of Python's as forks of a process that has imported what takes long.

A new interpreter computes for one to four seconds until it has imported NumPy, Numba, Gymnasium,
and torch for a training; a fork has them. It is a process like any other: with a number, signals,
pipes, variables, a folder and a path to import from of its own, a child of whoever has started it;
it imports all of this project anew, and ends like an interpreter, but that it takes nothing apart.
What is forked has started no thread and compiled or loaded no kernel.

`als`, scripts and programs after `-c` are started so, by the tests and by what they start. Where a
process is to have what a fork cannot (options of the interpreter, another language or number of
threads, another user), where it looks at `sys.modules`, and in tests that are about the start
itself (the fixture `new_interpreters`), it is an interpreter as ever.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import inspect
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import CodeType
from typing import Any, Final, NoReturn

LIBRARIES: Final = (
    "av",
    "cloudpickle",
    "gymnasium.vector",
    "imageio",
    "jinja2",
    "numba.core.caching",
    "numba.extending",
    "numpy",
    "PIL.Image",
    "pluggy",
    "pydantic",
    "safetensors",
    "sb3_contrib",
    "stable_baselines3",
    "tokenizers",
    "torch",
    "typer",
)
"""None of them looks at what differs from test to test, or starts a thread."""

ALS: Final = str(Path(sys.executable).with_name("als"))

_SETTLED: Final = ("CUDA_", "LANG", "LC_", "LD_", "MKL_", "OMP_", "OPENBLAS_", "PYTHON", "TORCH_")
"""What libraries and interpreters read once; a fork must want the same."""

_PLAIN: Final[Mapping[str, tuple[Any, ...]]] = {
    "shell": (False,),
    "executable": (None,),
    "preexec_fn": (None,),
    "close_fds": (True,),
    "restore_signals": (True,),
    "gid": (None,),
    "gids": (None,),
    "uid": (None,),
    "umask": (-1,),
    "process_group": (-1, None),
}
_WORKER: Final = "als_engine.envs.processes import main"
"""In the program of a worker process, which starts none itself."""

_SUBREAPER: Final = 36  # Of Linux's prctl.
_HIGH: Final = 1000  # No descriptor that is asked for has such a number.

_execute: Any = getattr(subprocess.Popen, "_execute_child", None)


# -- in the tests' process ------------------------------------------------------------------------


def install() -> None:
    """Lets `subprocess.Popen` in this process start by a fork what can be; on Linux alone."""
    if sys.platform == "linux":
        subprocess.Popen._execute_child = _start  # type: ignore[attr-defined]


def begin() -> None:
    """Starts what is forked beforehand, so that no test has to wait for it."""
    if sys.platform == "linux":
        _source.begin()


@contextlib.contextmanager
def new_interpreters() -> Iterator[None]:
    """Meanwhile every program gets an interpreter of its own."""
    subprocess.Popen._execute_child = _execute  # type: ignore[attr-defined]
    try:
        yield
    finally:
        install()


def _start(popen: Any, *given: Any) -> None:
    """Stands for `Popen._execute_child`."""
    told = inspect.signature(_execute).bind(popen, *given).arguments
    program = _program(told["args"], Path(told["cwd"] or "."))
    plain = all(told.get(name, values[0]) in values for name, values in _PLAIN.items())
    if program is None or not plain or not _source.has(told["env"]):
        return _execute(popen, *given)
    streams = [told["p2cread"], told["c2pwrite"], told["errwrite"]]
    handles = [number if fd == -1 else fd for number, fd in enumerate(streams)]
    os.umask(umask := os.umask(0))
    wanted = {
        "program": program,
        "environment": dict(os.environ if told["env"] is None else told["env"]),
        "folder": os.path.abspath(told["cwd"] or "."),
        "targets": [0, 1, 2, *told["pass_fds"]],
        "session": told["start_new_session"],
        "mask": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
        "umask": umask,
        "cores": sorted(os.sched_getaffinity(0)),
    }
    popen.pid = _source.fork(wanted, [*handles, *told["pass_fds"]])
    popen._child_created = True
    ends = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
    popen._close_pipe_fds(*(told[end] for end in ends))
    return None


def _program(words: Any, folder: Path) -> list[str] | None:
    """The name, the source and the arguments of what a fork can run, else None."""
    if isinstance(words, (str, bytes, os.PathLike)):
        return None
    first, *others = [os.fsdecode(word) for word in words if word != "-B"]
    if not others:
        return None
    if first == ALS:
        found = [ALS, Path(ALS).read_text(encoding="utf-8"), *others]
    elif first == sys.executable and others[0] == "-c":
        found = others
    elif first == sys.executable and others[0].endswith(".py"):
        found = [others[0], (folder / others[0]).read_text(encoding="utf-8"), *others[1:]]
    else:
        return None
    return None if "sys.modules" in found[1] else found  # It asks what it has imported.


class _Interpreter(subprocess.Popen[bytes]):
    _execute_child = _execute


class _Source:
    """What is forked: started when it is first needed, ended with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._owner = os.getpid()
        self._environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        threads = (f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL"))
        self._single = all(self._environment.get(name) == "1" for name in threads)

    def has(self, environment: Mapping[str, str] | None) -> bool:
        """Whether a fork of it could be what an interpreter with these variables would be."""
        wanted = os.environ if environment is None else environment
        settled = _settled(wanted) == _settled(self._environment)
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return self._single and settled and not ignored and self._owner == os.getpid()

    def fork(self, wanted: Mapping[str, Any], descriptors: list[int]) -> int:
        """Forks it; the number of the new process, which is a child of this one."""
        message = json.dumps(wanted).encode()
        self.begin()
        assert self._socket is not None
        with self._lock:
            _adopt_orphans(True)
            try:
                socket.send_fds(self._socket, [len(message).to_bytes(8, "big")], descriptors)
                self._socket.sendall(message)
                answer = self._socket.recv(8, socket.MSG_WAITALL)
            finally:
                _adopt_orphans(False)
        assert len(answer) == 8, "the process that is forked has died"
        return int.from_bytes(answer, "big")

    def take(self, orders: socket.socket) -> None:
        """Takes what has been started, in a fork."""
        self._socket, self._owner, self._lock = orders, os.getpid(), threading.Lock()

    def begin(self) -> None:
        """Starts it, where that has not been done."""
        with self._lock:
            if self._socket is None and self._single:
                self._socket = self._begin()

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        here = str(Path(__file__).parent)
        code = f"import sys; sys.path.insert(0, {here!r}); import forked; forked.serve()"
        with theirs:
            number = theirs.fileno()
            process = _Interpreter(
                [sys.executable, "-c", code, str(number)],
                stdin=subprocess.DEVNULL,
                pass_fds=[number],
                env=self._environment,
            )
        atexit.register(_end, process, ours)
        return ours


def _end(process: subprocess.Popen[bytes], orders: socket.socket) -> None:
    orders.close()
    process.wait()


_source: Final = _Source()


def _settled(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_SETTLED) and name != "PYTHONPATH"
    }


def _adopt_orphans(on: bool) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_SUBREAPER, int(on), 0, 0, 0)


# -- in the process that is forked, and in its forks ----------------------------------------------


def serve() -> NoReturn:
    """Imports what takes long, and forks as it is ordered to, until the tests' process ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    path = sys.path[2:]  # Neither the folder of this module nor the current one.
    orders = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    for name in LIBRARIES:
        __import__(name)
    numba = sys.modules["numba"]
    numba.core.registry.cpu_target.typing_context.refresh()
    numba.core.registry.cpu_target.target_context.refresh()
    threads = len(os.listdir("/proc/self/task"))
    assert threads == 1, f"{threads} threads cannot be forked"
    gc.collect()
    gc.freeze()
    gc.enable()
    _obey(orders, path)


def _obey(orders: socket.socket, path: list[str]) -> NoReturn:
    while True:
        header, descriptors, _, _ = socket.recv_fds(orders, 8, 64)
        if not header:
            os._exit(0)
        wanted = json.loads(orders.recv(int.from_bytes(header, "big"), socket.MSG_WAITALL))
        reading, writing = os.pipe()
        between = os.fork()
        if not between:
            between, child = os.getpid(), os.fork()
            if child:
                os.write(writing, child.to_bytes(8, "big"))
                os._exit(0)
            while os.getppid() == between:  # Until it is of whom it was ordered, see `fork`.
                time.sleep(0.0005)
            _run(_become(wanted, descriptors, path))
        os.waitpid(between, 0)
        orders.sendall(os.read(reading, 8))
        for descriptor in (reading, writing, *descriptors):
            os.close(descriptor)


def _become(wanted: Mapping[str, Any], descriptors: list[int], path: list[str]) -> CodeType:
    """Makes of this process what was ordered; the program to run in it."""
    targets = wanted["targets"]
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _HIGH) for descriptor in descriptors]
    for descriptor, target in zip(moved, targets, strict=True):
        os.dup2(descriptor, target)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor not in targets:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    if wanted["session"]:
        os.setsid()
    if _WORKER not in wanted["program"][1]:
        _source.take(_nested(path))
        install()
    os.umask(wanted["umask"])
    os.sched_setaffinity(0, wanted["cores"])
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    if any(name.startswith("NUMBA_") for name in wanted["environment"]):
        sys.modules["numba"].core.config.reload_config()
    sys.stdin, sys.stdout, sys.stderr = map(_stream, (sys.stdin, sys.stdout, sys.stderr), range(3))
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr

    name, source, *arguments = wanted["program"]
    sys.argv[:] = [name, *arguments]
    given = os.environ.get("PYTHONPATH", "")
    sys.path[:] = ["" if name == "-c" else str(Path(name).absolute().parent)]
    sys.path += [os.path.abspath(entry) for entry in given.split(os.pathsep) if given]
    sys.path += path
    main = sys.modules["__main__"]
    for known in ("forked", "sys"):
        vars(main).pop(known, None)
    sys.modules.pop("forked", None)
    if name != "-c":
        main.__file__ = name
    signal.pthread_sigmask(signal.SIG_SETMASK, wanted["mask"])
    return compile(source, "<string>" if name == "-c" else name, "exec")


def _stream(before: Any, number: int) -> Any:
    """A standard stream anew: it is a file of another kind now."""
    file: Any = os.fdopen(number, "wb" if number else "rb", closefd=False)
    by_lines = number == 2 or file.isatty()
    return io.TextIOWrapper(file, before.encoding, before.errors, "\n", line_buffering=by_lines)


def _nested(path: list[str]) -> socket.socket:
    """Forks once more, before anything is imported, what the program's own processes come of."""
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        kept = socket.socket(fileno=fcntl.fcntl(ours.fileno(), fcntl.F_DUPFD_CLOEXEC, _HIGH))
        ours.close()
        return kept
    ours.close()
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor != theirs.fileno():
            with contextlib.suppress(OSError):
                os.close(descriptor)
    nothing = os.open(os.devnull, os.O_RDWR)  # 0, the lowest.
    os.dup2(nothing, 1), os.dup2(nothing, 2)
    _obey(theirs, path)


def _run(program: CodeType) -> NoReturn:
    """Runs it, and ends as an interpreter does, without taking apart what was imported."""
    code: Any = 0
    interrupted = False
    try:
        exec(program, vars(sys.modules["__main__"]))
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException as error:
        trace = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        code, interrupted = 1, isinstance(error, KeyboardInterrupt)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code & 0xFF)
