"""Agents that misbehave in every way we could think of, as an installed plugin offers them.

`Burglar` tries one thing after another, one at each step, and says by its actions how each went;
`Vandal` does one thing that nobody can go on after.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from als_engine import Agent, AgentSpec, hookimpl

TRIED, DENIED, DONE = 0, 5, 6
"""Actions that stand for: nothing left to try; it was refused; it worked. They lead nowhere."""


@hookimpl
def als_agents():
    return [
        AgentSpec(id="hostile/burglar", agent="hostile_agents:Burglar"),
        AgentSpec(id="hostile/vandal", agent="hostile_agents:Vandal"),
        AgentSpec(id="hostile/constant", agent="hostile_agents:Constant"),
        AgentSpec(id="hostile/masked", agent="hostile_agents:Masked"),
        AgentSpec(id="hostile/liar", agent="hostile_agents:Liar"),
        AgentSpec(id="hostile/worker", agent="hostile_agents:Worker"),
        AgentSpec(id="hostile/cheat", agent="hostile_agents:Cheat"),
        AgentSpec(id="hostile/absent", agent="no_such_module:Agent"),
        AgentSpec(id="hostile/landmine", agent="hostile_landmine:Agent"),
    ]


class Constant(Agent):
    """Does the same whatever happens."""

    def __init__(self, observation_space, action_space, action=0):
        super().__init__(observation_space, action_space, action=action)
        self.action = action

    def act(self, observation, state=None, deterministic=True):
        rows = len(next(iter(observation.values())))
        return np.full(rows, self.action, np.int64), None


class Masked(Constant):
    """Says that it reads masks, whatever its actions are, and what it finds by its actions."""

    reads_masks = True

    def act(self, observation, state=None, deterministic=True):
        masks = observation.get("action_mask")
        rows = len(next(iter(observation.values())))
        if masks is None:
            return np.zeros((rows, *self.action_space.shape), self.action_space.dtype), None
        return np.full(rows, masks.shape[1] if masks.dtype == bool else 0) - 1 - self.action, None


class Liar(Constant):
    """Says something else than yes or no."""

    @property
    def reads_masks(self):
        raise OSError("who wants to know?")


class Worker(Constant):
    """Does what an honest agent may: writes files, starts threads, asks for a temporary file."""

    def act(self, observation, state=None, deterministic=True):
        Path("notes").mkdir(exist_ok=True)
        Path("notes/one").write_text("kept")
        os.replace("notes/one", "two")
        with tempfile.TemporaryFile() as file:
            file.write(b"kept")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(Path("two").read_text()))
        thread.start()
        thread.join()
        rows = len(next(iter(observation.values())))
        return np.full(rows, int(answers == ["kept"])), None


class Cheat(Constant):
    """Replaces what the engine is made of, in the process that it lives in."""

    def __init__(self, observation_space, action_space):
        Agent.__init__(self, observation_space, action_space)
        from als_engine.task import Task

        def step(self, actions):
            self.terminated[:] = True
            self.rewards[:] = 1_000.0

        with contextlib.suppress(ImportError):  # Where there is none, there is none to replace.
            from als_engine.envs.batch import Batch
            from als_engine.simulation import Simulation

            Simulation.step = Simulation.advance = Batch.step = step
        Task.reward = lambda self, state: self.everyone(1_000.0)
        self.action = 0


# -- what a burglar tries: whatever raises an OSError was refused ----------------------------------


def libc(name, *arguments):
    """Calls a C function; a refusal is an OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    words = [a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments]
    function = getattr(library, name)
    function.restype = ctypes.c_long if name == "syscall" else ctypes.c_int
    result = function(*words)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def write(path):
    Path(path).write_text("burgled")


def through_link(path):
    link = Path("link")
    link.symlink_to(path)
    link.write_text("burgled")


def hard_link(path):
    os.link(path, "hard")
    Path("hard").write_text("burgled")


def take_away(path):
    os.rename(path, "taken")


def cut(path):
    os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))


def open_descriptors():
    """Is refused where nothing but the two pipes and the standard three is open."""
    found = []
    for number in range(3, 256):
        with contextlib.suppress(OSError):
            os.fstat(number)
            found.append(number)
    if found == sorted(map(int, sys.argv[1:3])):
        raise PermissionError("only the pipes")


def environment_objects():
    names = ("Simulation", "Batch", "WorldState", "VectorEnv", "Runner", "_Runner")
    if not any(type(thing).__name__ in names for thing in gc.get_objects()):
        raise PermissionError("no environment in here")


def secrets_in_environment():
    if "ALS_TEST_SECRET" not in os.environ:
        raise PermissionError("no secret in here")


def arguments_of_parent():
    Path(f"/proc/{os.getppid()}/cmdline").read_bytes()


def connect(family, kind, address):
    with socket.socket(family, kind) as one:
        one.connect(address)


def bind(family, kind, address):
    with socket.socket(family, kind) as one:
        one.bind(address)


def send_to(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
        one.sendto(b"burgled", address)


def pair_to(address):
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"burgled", address)


def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def read_memory(victim):
    # An address does not matter: a refusal comes before it is looked at.
    buffer = ctypes.create_string_buffer(8)
    vectors = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 8)
    try:
        libc(
            "process_vm_readv",
            victim,
            ctypes.addressof(vectors),
            1,
            ctypes.addressof(vectors),
            1,
            0,
        )
    except OSError as error:
        if error.errno == 14:  # EFAULT: it was looked at.
            return
        raise


def trace(victim):
    libc("ptrace", 0x4206, victim, 0, 0)  # PTRACE_SEIZE


def own_signals(victim):
    read, _ = os.pipe()
    fcntl.fcntl(read, 8, victim)  # F_SETOWN


def shared_memory():
    libc("shmctl", libc("shmget", 0, 4096, 0o1600), 0, 0)


def queue_signal(victim):
    libc("sigqueue", victim, 0, 0)


def bring_in(module):
    """An import that is refused, as an OSError."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise PermissionError(module) from error


def nameless():
    os.close(os.open(".", os.O_TMPFILE | os.O_RDWR))


def lock(path, whole):
    """A lock on a file that every agent may read is seen by every agent."""
    with open(path, "rb") as file:
        if whole:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def raise_limits():
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
    except ValueError as error:  # What Python makes of EPERM.
        raise PermissionError from error


def attempts(place):
    """Name to attempt. `place` says where things are: the worst case is an agent that knows."""
    outside, victim, parent = place["outside"], place["victim"], os.getppid()
    new = os.path.join(outside, "new")
    kept = os.path.join(outside, "kept")
    return {
        "read the secret": lambda: Path(place["secret"]).read_bytes(),
        "read the store": lambda: Path(place["store"]).read_bytes(),
        "read the users": lambda: Path("/etc/passwd").read_bytes(),
        "list the home": lambda: os.listdir(place["home"]),
        "read the parent's environment": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "read the parent's arguments": arguments_of_parent,
        "open the parent's memory": lambda: open(f"/proc/{parent}/mem", "rb").close(),
        "read the parent's maps": lambda: Path(f"/proc/{parent}/maps").read_bytes(),
        "list the parent's files": lambda: os.listdir(f"/proc/{parent}/fd"),
        "list the processes": lambda: os.listdir("/proc"),
        "read a process's memory": lambda: read_memory(victim),
        "trace a process": lambda: trace(victim),
        "find an environment": environment_objects,
        "find a secret variable": secrets_in_environment,
        "find an open file": open_descriptors,
        "write a new file": lambda: write(new),
        "write over a file": lambda: write(kept),
        "append to a file": lambda: open(kept, "a").close(),
        "write into the repository": lambda: write(place["repository"]),
        "write into the home": lambda: write(place["home_file"]),
        "write into /tmp": lambda: write(place["tmp_file"]),
        "write into /dev/shm": lambda: write(place["shm_file"]),
        "write through a link": lambda: through_link(new),
        "write through /proc": lambda: write(f"/proc/self/root{new}"),
        "write through a hard link": lambda: hard_link(kept),
        "change its own folder": lambda: write("../agent/agent.json"),
        "write beside its folder": lambda: write("../new"),
        "take a file away": lambda: take_away(kept),
        "cut a file": lambda: cut(kept),
        "cut a file by name": lambda: os.truncate(kept, 0),
        "remove a file": lambda: os.unlink(kept),
        "make a folder": lambda: os.mkdir(new),
        "change a mode": lambda: os.chmod(kept, 0o777),
        "change an owner": lambda: os.chown(kept, os.getuid(), os.getgid()),
        "change times": lambda: os.utime(kept, (0, 0)),
        "set an attribute": lambda: os.setxattr(kept, "user.burgled", b"1"),
        "make a pipe outside": lambda: os.mkfifo(new),
        "connect by TCP": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, tuple(place["tcp"])),
        "connect by UDP": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 9)),
        "listen by TCP": lambda: bind(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        "connect by a socket file": lambda: connect(
            socket.AF_UNIX, socket.SOCK_DGRAM, place["socket"]
        ),
        "connect by an abstract socket": lambda: connect(
            socket.AF_UNIX, socket.SOCK_DGRAM, place["abstract"]
        ),
        "send to a socket file": lambda: send_to(place["socket"]),
        "send from a pair of sockets": lambda: pair_to(place["socket"]),
        "signal a process": lambda: os.kill(victim, 0),
        "signal the parent": lambda: os.kill(parent, 0),
        "signal everybody in the group": lambda: os.killpg(os.getpgid(victim), 0),
        "queue a signal": lambda: queue_signal(victim),
        "signal by a descriptor": lambda: signal.pidfd_send_signal(os.pidfd_open(victim), 0),
        "have a descriptor signal": lambda: own_signals(victim),
        "slow the parent": lambda: os.setpriority(os.PRIO_PROCESS, parent, 0),
        "limit the parent": lambda: resource.prlimit(
            parent, resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)
        ),
        "pin the parent": lambda: os.sched_setaffinity(parent, os.sched_getaffinity(parent)),
        "fork": fork,
        "start a program": lambda: subprocess.run(["/bin/true"], check=True),
        "leave its parent": lambda: libc("prctl", 1, 0, 0, 0, 0),
        "be counted as another user": lambda: libc("setresuid", os.getuid(), -1, -1),
        "become another user": lambda: libc("setresuid", 12345, -1, -1),
        "make a namespace": lambda: libc("unshare", 0x10000000),
        "make a memory file": lambda: libc("memfd_create", b"burgled", 0),
        "share memory": shared_memory,
        "find keys": lambda: libc("syscall", 250, 0, -3, 1, 0, 0),
        "use io_uring": lambda: libc("syscall", 425, 1, bytes(120)),
        "raise its limits": raise_limits,
        "import the simulation": lambda: bring_in("als_engine.simulation"),
        "import the physics": lambda: bring_in("pybullet"),
        "import an expert": lambda: bring_in("als_scenarios.game.tag"),
        "read the simulation": lambda: Path(place["simulation"]).read_bytes(),
        "read the physics": lambda: Path(place["physics"]).read_bytes(),
        "read an expert": lambda: Path(place["expert"]).read_bytes(),
        "make a file without a name": nameless,
        "lock a file of everybody's": lambda: lock(place["shared"], True),
        "lock a part of a file of everybody's": lambda: lock(place["shared"], False),
        "be notified of others' files": lambda: os.close(libc("inotify_init1", 0)),
    }


class Burglar(Agent):
    """Tries the attempts, one at each step; the action says how it went."""

    def __init__(self, observation_space, action_space, place="null"):
        super().__init__(observation_space, action_space, place=place)
        given = json.loads(place) or defaultdict(str, outside="/", victim=1)
        self.left = list(attempts(given).values())

    def act(self, observation, state=None, deterministic=True):
        rows = len(next(iter(observation.values())))
        return np.full(rows, self.try_next(), np.int64), None

    def try_next(self):
        if not self.left:
            return TRIED
        try:
            self.left.pop(0)()
        except OSError:
            return DENIED
        return DONE


# -- what a vandal does ---------------------------------------------------------------------------


def flood():
    while True:
        os.write(int(sys.argv[2]), b"\xff" * 65536)


def lie(header, body=b""):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    os.write(int(sys.argv[2]), len(head).to_bytes(4, "little") + head + body)
    time.sleep(60)


def deep():
    for _ in range(1_100):
        os.mkdir("d")
        os.chdir("d")
    raise RuntimeError("deep")


def many():
    for i in range(4_000):
        open(str(i), "w").close()
    time.sleep(60)


def big():
    for i in range(100):
        with open(str(i), "wb") as file:
            file.write(bytes(1 << 22))
    time.sleep(60)


def eat():
    kept = []
    while True:
        kept.append(bytearray(b"x") * (64 << 20))


def map_much():
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 64 << 20))


def crowd():
    """Three thousand threads, or as many as there may be."""
    threading.stack_size(1 << 18)  # So that it is not memory that stops them.
    try:
        for _ in range(3_000):
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError as error:
        raise RuntimeError(f"{threading.active_count()} threads") from error
    time.sleep(60)


def unnamed():
    """Files that nobody finds, since they have no name any more."""
    kept = []
    for _ in range(60):
        kept.append(open("file", "wb"))  # noqa: SIM115 - It is to stay open.
        os.unlink("file")
        kept[-1].write(bytes(1 << 20))
        kept[-1].flush()
    time.sleep(60)


def mapped():
    """Files that have neither a name nor a descriptor."""
    kept = []
    for _ in range(60):
        with open("file", "w+b") as file:
            os.unlink("file")
            file.write(bytes(1 << 20))
            file.flush()
            kept.append(mmap.mmap(file.fileno(), 0))
    time.sleep(60)


def spin():
    while True:
        pass


def linger():
    """A thread that goes on is no answer either."""
    threading.Thread(target=spin).start()
    time.sleep(60)


def i386():
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()


def x32():
    ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 + 39))


ACTS = {
    "raises": lambda rows: 1 / 0,
    "leaves": lambda rows: sys.exit(3),
    "exits": lambda rows: os._exit(7),
    "exits well": lambda rows: os._exit(0),
    "kills itself": lambda rows: os.kill(os.getpid(), signal.SIGKILL),
    "segfaults": lambda rows: ctypes.string_at(0),
    "sleeps": lambda rows: time.sleep(60),
    "naps": lambda rows: (time.sleep(0.3), np.zeros(rows, np.int64))[1],
    "spins": lambda rows: spin(),
    "lingers": lambda rows: linger(),
    "stops": lambda rows: os.kill(os.getpid(), signal.SIGSTOP),
    "eats memory": lambda rows: eat(),
    "maps memory": lambda rows: map_much(),
    "writes much": lambda rows: big(),
    "writes many": lambda rows: many(),
    "digs deep": lambda rows: deep(),
    "starts many threads": lambda rows: crowd(),
    "writes without names": lambda rows: unnamed(),
    "maps without names": lambda rows: mapped(),
    "floods": lambda rows: flood(),
    "hangs up": lambda rows: (os.close(int(sys.argv[2])), time.sleep(60)),
    "calls as i386": lambda rows: i386(),
    "calls as x32": lambda rows: x32(),
    "no JSON": lambda rows: lie(b"{"),
    "no object": lambda rows: lie([1, 2]),
    "many brackets": lambda rows: lie(b"[" * 4_000),
    "a long error": lambda rows: lie({"error": "\x1b[31m\n" + "e" * 3_000}),
    "too many rows": lambda rows: np.zeros(rows + 1, np.int64),
    "too few rows": lambda rows: np.zeros(rows - 1, np.int64),
    "no rows": lambda rows: np.zeros((), np.int64),
    "huge": lambda rows: np.zeros(1 << 24, np.int8),
    "announces a huge array": lambda rows: lie({"shape": [1 << 50], "dtype": "<i8"}),
    "announces and sends less": lambda rows: lie({"shape": [rows], "dtype": "<i8"}, b"1234"),
    "NaN": lambda rows: np.full(rows, np.nan),
    "fractions": lambda rows: np.zeros(rows, np.float32),
    "objects": lambda rows: np.array([object()] * rows),
    "texts": lambda rows: np.array(["left"] * rows),
    "negative": lambda rows: np.full(rows, -1),
    "too large": lambda rows: np.full(rows, 10_000),
    "nothing": lambda rows: None,
}

BEGINNINGS = {
    "raises at the beginning": lambda: 1 / 0,
    "exits at the beginning": lambda: os._exit(9),
    "sleeps at the beginning": lambda: time.sleep(60),
}


class Vandal(Agent):
    """Plays some steps, then does one thing."""

    def __init__(self, observation_space, action_space, act="raises", after=3):
        super().__init__(observation_space, action_space, act=act, after=after)
        self.steps, self.after, self.what = 0, after, act
        if act in BEGINNINGS:
            BEGINNINGS[act]()

    def act(self, observation, state=None, deterministic=True):
        rows = len(next(iter(observation.values())))
        self.steps += 1
        if self.steps <= self.after:
            return np.zeros(rows, np.int64), None
        return ACTS[self.what](rows), None
