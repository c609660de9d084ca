"""The process that an agent lives in: confines itself first, then lets the agent in.

It is started by its path (`python -I -S -B child.py READ WRITE`), not as a module: the
import of `als_engine` imports every plugin, and nobody's code is to run before the walls stand.
Until then nothing but the standard library is touched.

Whoever starts it says on one pipe, as JSON, what the walls are and which agent to make; answers go
back on the other. See `als_bench.sandbox.channel` for the format.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import struct
import sys
from typing import Any, Final

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38
_SECCOMP_MODE_FILTER: Final = 2
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_RULE_PATH: Final = 1
_CAPABILITIES: Final = 64
_CAPABILITY_VERSION: Final = 0x20080522
_SIGKILL: Final = 9
_LENGTH: Final = struct.Struct("<I")
_NEWNS, _NEWIPC, _NEWUSER = 0x20000, 0x08000000, 0x10000000
_NOSUID, _NODEV, _NOEXEC, _REC, _PRIVATE = 2, 4, 8, 0x4000, 0x40000
_NOBODYS: Final = range(40_000, 60_000)
"""Ids of users that nobody has, where root is to be counted as somebody else."""

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class _Pipe:
    """Frames: four bytes of length, that much JSON, then the arrays that the JSON announces."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self.incoming, self.outgoing = incoming, outgoing

    def read(self, size: int) -> bytearray:
        data = bytearray(size)
        self.read_into([memoryview(data)])
        return data

    def read_into(self, buffers: list[memoryview]) -> None:
        while buffers:
            count = os.readv(self.incoming, buffers)
            if count == 0:
                os._exit(0)  # Nobody is there to be answered.
            while buffers and count >= len(buffers[0]):
                count -= len(buffers.pop(0))
            if buffers:
                buffers[0] = buffers[0][count:]

    def receive(self) -> dict[str, Any]:
        (length,) = _LENGTH.unpack(self.read(_LENGTH.size))
        message: dict[str, Any] = json.loads(self.read(length))
        return message

    def send(self, message: dict[str, Any], body: bytes = b"") -> None:
        head = json.dumps(message).encode()
        data = memoryview(_LENGTH.pack(len(head)) + head + body)
        while data:
            data = data[os.write(self.outgoing, data) :]


# -- the walls ------------------------------------------------------------------------------------


def confine(walls: dict[str, Any]) -> list[str]:
    """Puts up what `als_bench.sandbox.confinement` has planned; there is no way back.

    Args:
        walls: `parent` (pid), `scratch` (a folder), `limits` (name of RLIMIT_* to value), `quota`
            (see `bound`) or None, `capabilities` (whether they are kept), `landlock` (attr, rules)
            or None, `seccomp` (a hexadecimal program) or None.

    Returns:
        What `bound` has bounded.

    Raises:
        OSError: the kernel refused.
    """
    # First: a new namespace takes the signal back that is asked for next.
    bounded = bound(walls["scratch"], **walls["quota"]) if walls["quota"] else []
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != walls["parent"]:
        os._exit(0)  # It died before it could be noticed.
    for name, value in walls["limits"].items():
        _, most = resource.getrlimit(getattr(resource, name))
        least = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(getattr(resource, name), (least, least))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if not walls["capabilities"]:
        _drop_capabilities()
    if walls["landlock"] is not None:
        _landlock(**walls["landlock"])
    if walls["seccomp"] is not None:
        _seccomp(bytes.fromhex(walls["seccomp"]))
    return bounded


def bound(scratch: str, threads: int, bytes: int, files: int) -> list[str]:
    """Lets the kernel count what has no limit of its own, as far as it can be had here.

    Files lie in a file system of their own, in memory, whose size and number of files are fixed:
    so they count whether they have a name or not. Threads count for a user whom nobody else is: in
    a namespace of ours, or, for root, an id that nobody has.

    Returns:
        "disk" and "threads", where they are bounded; whoever started us has to count the others.
    """
    found = []
    user, group = os.geteuid(), os.getegid()
    apart = _LIBC.unshare(_NEWNS | _NEWIPC) == 0
    mapped = not apart and _LIBC.unshare(_NEWNS | _NEWIPC | _NEWUSER) == 0
    if mapped:
        maps = {"uid_map": f"{user} {user} 1", "setgroups": "deny", "gid_map": f"{group} {group} 1"}
        try:
            for name, text in maps.items():
                descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
                os.write(descriptor, text.encode())
                os.close(descriptor)
        except OSError:
            pass  # Some systems let nobody do this; threads count in the namespace all the same.
    if apart or mapped:
        options = f"size={bytes},nr_inodes={files},mode=700".encode()
        flags = _NOSUID | _NODEV | _NOEXEC
        if (
            _LIBC.mount(None, b"/", None, _REC | _PRIVATE, None) == 0
            and _LIBC.mount(b"tmpfs", os.fsencode(scratch), b"tmpfs", flags, options) == 0
        ):
            os.chdir(scratch)
            found.append("disk")
    somebody = user == 0 and not mapped
    if somebody:
        number = _NOBODYS.start + os.getpid() % len(_NOBODYS)
        somebody = _LIBC.setresuid(number, -1, -1) == 0
    if somebody or mapped:
        resource.setrlimit(resource.RLIMIT_NPROC, (threads, threads))
        if somebody or user != 0:  # Root in a namespace may be root outside, whom no limit binds.
            found.append("threads")
    return found


def _drop_capabilities() -> None:
    """Root is a user like any other in here."""
    for capability in range(_CAPABILITIES):
        # Fails for those that this kernel does not have, and for whoever had none to begin with.
        _LIBC.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    _check(_LIBC.capset(header, bytes(24)), "capset")


def _landlock(attr: list[int], rules: list[tuple[str, int]]) -> None:
    packed = struct.pack(f"={len(attr)}Q", *attr)
    ruleset = _check(_LIBC.syscall(_LANDLOCK_CREATE, packed, len(packed), 0), "landlock")
    for path, access in rules:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # What is not there needs no permission.
        rule = struct.pack("=Qi", access, place)
        added = _LIBC.syscall(_LANDLOCK_ADD, ruleset, _LANDLOCK_RULE_PATH, rule, 0)
        _check(added, f"landlock {path}")
        os.close(place)
    _check(_LIBC.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "landlock")
    os.close(ruleset)


def _seccomp(program: bytes) -> None:
    kept = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(kept))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header)


def _prctl(option: int, *arguments: Any) -> None:
    rest = [*arguments, *[0] * (4 - len(arguments))]
    words = [a if isinstance(a, bytes) else ctypes.c_ulong(a) for a in rest]
    _check(_LIBC.prctl(option, *words), f"prctl {option}")


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


# -- the agent ------------------------------------------------------------------------------------


class _Refused:
    """Says in one line why a module cannot be imported; that it cannot, Landlock sees to."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if any(name == each or name.startswith(f"{each}.") for each in self.names):
            raise ImportError(f"{name} cannot be imported by an agent: it makes or moves worlds")


class _Host:
    """The agent and the state of its rows, which never leaves this process."""

    def __init__(self, job: dict[str, Any]) -> None:
        import site

        gc.disable()  # What is imported stays: to look for garbage in it took long.
        sys.path[:] = job["path"]
        site.main()  # The .pth files of what is installed, which -S has put off until here.
        import pickle
        from pathlib import Path

        import numpy as np

        from als_engine.agents.masks import ACTION_MASK, mask_size
        from als_engine.plugins.registry import registry

        self.np = np
        # Ours, from the process that started this one; nothing pickled ever goes the other way.
        observations, actions = pickle.loads(bytes.fromhex(job["spaces"]))
        agent_class = registry.load(registry.agent(job["agent"]))
        gc.freeze()
        gc.enable()
        self.agent: Any = agent_class(observations, actions, **job["config"])
        if job["folder"]:
            self.agent.load_weights(Path(job["folder"]))
        self.keys = [(key, space.shape or (), space.dtype) for key, space in observations.items()]
        self.reads_masks = bool(self.agent.reads_masks and mask_size(actions))
        if self.reads_masks:
            self.keys.append((ACTION_MASK, (mask_size(actions),), np.bool_))
        self.state: Any = None
        self.arrays: dict[str, Any] = {}
        self.buffers: list[memoryview] = []
        self.rows = 0

    def act(self, pipe: _Pipe, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        np = self.np
        if message["rows"] != self.rows:
            self.rows = message["rows"]
            self.arrays = {
                key: np.empty((self.rows, *shape), dtype) for key, shape, dtype in self.keys
            }
            self.buffers = [memoryview(a).cast("B") for a in self.arrays.values() if a.nbytes]
        pipe.read_into(list(self.buffers))
        state = self.state if message["state"] else None
        from als_engine.agents.agent import acting

        best = acting(self.agent, message["deterministic"]) == "best"
        actions, self.state = self.agent.act(self.arrays, state, best)
        actions = np.asarray(actions, order="C")
        return {"shape": actions.shape, "dtype": actions.dtype.str}, actions.tobytes()

    def restart(self, pipe: _Pipe, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        rows = self.np.frombuffer(pipe.read(message["rows"]), bool)
        state = self.state if message["state"] else None
        self.state = self.agent.restart(state, rows.copy(), message["seeds"])
        return {}, b""

    def seed(self, pipe: _Pipe, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        self.agent.seed(message["seed"])
        return {}, b""


def main() -> None:
    """Confines this process, says so, makes the agent, says so, and answers until it is killed."""
    pipe = _Pipe(int(sys.argv[1]), int(sys.argv[2]))
    job = pipe.receive()
    try:
        bounded = confine(job["walls"])
    except OSError as error:
        pipe.send({"error": f"the kernel refused {error}"})
        return
    pipe.send({"bounded": bounded})
    try:
        sys.meta_path.insert(0, _Refused(job["hidden"]))
        host = _Host(job)
        pipe.send({"reads_masks": host.reads_masks})
        while True:
            message = pipe.receive()
            answer, body = getattr(host, message["do"])(pipe, message)
            pipe.send(answer, body)
    # Whatever an agent does wrong, even `sys.exit()`: one line of it goes back.
    except BaseException as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        pipe.send({"error": text[:500]})


if __name__ == "__main__":
    main()
