"""An agent in the sandbox sees observations and writes scratch files; nothing else gives way.

The agents are real ones, installed as a plugin that the agent's process finds by itself. Every
attempt is made twice: by an agent that is confined, and by one that is not, where it works. So
none of these tests passes because the attempt was made wrongly.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile_agents
import numpy as np
import pytest
from hostile_agents import DENIED, DONE
from hostile_world import hostile
from learn_worlds import ID, learn
from places import ROOT

from als_bench.sandbox.agent import AgentFailure, Limits, SandboxedAgent
from als_bench.sandbox.channel import one_line
from als_bench.sandbox.confinement import (
    Confinement,
    confinement,
    readable,
    walls,
    world_modules,
)
from als_bench.sandbox.syscalls import MACHINES, filter_program
from als_engine.agents.saving import make_agent
from als_engine.errors import ArgumentError, UnknownIdError
from als_engine.evaluation.protocol import evaluate

__all__ = ["hostile", "learn"]

pytestmark = [
    pytest.mark.usefixtures("learn", "hostile"),
    pytest.mark.skipif(not confinement().complete, reason=str(confinement())),
]

FREE = Confinement(0, False, "")
QUICK = Limits(seconds_per_act=3.0, memory_bytes=1 << 30, scratch_bytes=32 << 20)
PATIENT = Limits(seconds_per_act=90.0, memory_bytes=4 << 30, scratch_bytes=32 << 20)
ROWS = 2
REPOSITORY = ROOT
CHILD = REPOSITORY / "plugins" / "als_bench" / "sandbox" / "child.py"


def sandboxed(agent: str, **config: Any) -> SandboxedAgent:
    return SandboxedAgent(None, agent, ID, {}, config, limits=QUICK)


def look(agent: SandboxedAgent, rows: int = ROWS) -> dict[str, Any]:
    spaces = agent.observation_space.spaces
    return {key: np.zeros((rows, *space.shape), space.dtype) for key, space in spaces.items()}


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith("als-sandbox-")]


# What an agent may not do


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Everything that a burglar might like to know, and somebody at home."""
    root = tmp_path_factory.mktemp("burglary")
    for name in ("secret", "store", "outside"):
        (root / name).mkdir() if name == "outside" else (root / name).write_text(name)
    victim = subprocess.Popen(["sleep", "600"], start_new_session=True)
    tcp = socket.create_server(("127.0.0.1", 0))
    own = f"als-burgled-{os.getpid()}"
    files = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with victim, tcp, files, abstract, tempfile.TemporaryDirectory() as short:
        files.bind(f"{short}/socket")  # A socket's path has to be short.
        abstract.bind(f"\0{own}")
        yield {
            "outside": str(root / "outside"),
            "victim": victim.pid,
            "secret": str(root / "secret"),
            "store": str(root / "store"),
            "home": str(Path.home()),
            "home_file": str(Path.home() / own),
            "tmp_file": f"/tmp/{own}",
            "shm_file": f"/dev/shm/{own}",
            "repository": str(REPOSITORY / own),
            "simulation": str(REPOSITORY / "als_engine" / "simulation" / "core.py"),
            "physics": importlib.util.find_spec("pybullet").origin,  # type: ignore[union-attr]
            "expert": str(REPOSITORY / "scenarios" / "als_scenarios" / "game" / "tag.py"),
            "shared": np.__file__,
            "tcp": tcp.getsockname(),
            "socket": f"{short}/socket",
            "abstract": f"\0{own}",
        }
        victim.kill()


def burgle(place: dict[str, Any], force: Confinement | None) -> tuple[dict[str, int], set[str]]:
    """What came of each attempt, and the names of those that changed something outside."""
    outside = Path(place["outside"])
    strays = [Path(place[k]) for k in ("home_file", "tmp_file", "shm_file", "repository")]
    outcomes, changed = {}, set()
    with SandboxedAgent(
        None, "hostile/burglar", ID, {}, {"place": json.dumps(place)}, limits=PATIENT, force=force
    ) as agent:
        for name in hostile_agents.attempts(place):
            shutil.rmtree(outside)
            outside.mkdir()
            (outside / "kept").write_text("mine")
            before = (outside / "kept").stat()
            actions, _ = agent.act(look(agent))
            outcomes[name] = int(actions[0])
            names = [path.name for path in outside.iterdir()]
            whole = names == ["kept"] and (outside / "kept").read_text() == "mine"
            after = (outside / "kept").stat() if whole else None
            same = whole and (after.st_mode, after.st_mtime) == (before.st_mode, before.st_mtime)
            if not same or any(path.exists() for path in strays):
                changed.add(name)
            for path in strays:
                path.unlink(missing_ok=True)
    return outcomes, changed


@pytest.fixture(scope="module")
def confined(place: dict[str, Any]) -> tuple[dict[str, int], set[str]]:
    os.environ["ALS_TEST_SECRET"] = "s3cret"
    return burgle(place, None)


@pytest.fixture(scope="module")
def free(place: dict[str, Any]) -> tuple[dict[str, int], set[str]]:
    return burgle(place, FREE)


ATTEMPTS = list(hostile_agents.attempts({"outside": "", "victim": 0}))


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_confined_agent_is_refused_and_changes_nothing(
    confined: tuple[dict[str, int], set[str]], attempt: str
) -> None:
    outcomes, changed = confined
    assert outcomes[attempt] == DENIED
    assert attempt not in changed


# What the kernel gives nobody, or this process is never given, however free it is.
NEVER = {"find a secret variable", "find an environment", "find an open file", "raise its limits"}
PRIVILEGED = {"become another user", "make a namespace"}
ROOT = os.geteuid() == 0


@pytest.mark.parametrize("attempt", sorted(set(ATTEMPTS) - NEVER - (set() if ROOT else PRIVILEGED)))
def test_the_same_attempt_works_where_nothing_confines(
    free: tuple[dict[str, int], set[str]], attempt: str
) -> None:
    assert free[0][attempt] == DONE


def test_the_same_attempts_leave_traces_where_nothing_confines(
    free: tuple[dict[str, int], set[str]],
) -> None:
    traces = {"write a new file", "write through a link", "write through a hard link"}
    traces |= {"take a file away", "cut a file", "change a mode", "change times"}
    assert traces <= free[1]


def test_nothing_of_the_agents_is_imported_here_or_before_the_walls_stand(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(AgentFailure, match=r"PermissionError.*landmine"):
        sandboxed("hostile/landmine")
    assert "hostile_landmine" not in sys.modules
    assert list(tmp_path.iterdir()) == []


def test_the_kernel_says_that_the_process_is_confined() -> None:
    with sandboxed("random") as agent:
        status = Path(f"/proc/{agent.pid}/status").read_text()
    assert "NoNewPrivs:\t1\n" in status
    assert "Seccomp:\t2\n" in status
    assert "CapEff:\t0000000000000000\n" in status


def judge(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """What the kernel would make of a system call: runs the filter, as the kernel does."""
    words = [number, arch, 0, 0, *(half for a in arguments for half in (a, 0)), *[0] * 12]
    code, at, loaded = list(struct.iter_unpack("=HBBI", program)), 0, 0
    while True:
        operation, yes, no, k = code[at]
        at += 1
        if operation == 0x06:
            return k
        if operation == 0x20:
            loaded = words[k // 4]
        else:
            holds = {0x15: loaded == k, 0x35: loaded >= k, 0x45: bool(loaded & k)}[operation]
            at += yes if holds else no


ALLOWED, REFUSED, MISSING, KILLED = 0x7FFF0000, 0x50001, 0x50026, 0x80000000
OWN, OTHER, THREAD = 1234, 4321, 0x10000

# What is called with which arguments, and what comes of it; numbers of (x86_64, aarch64).
CALLS = {
    "read": ((0, 63), (), ALLOWED),
    "futex": ((202, 98), (), ALLOWED),
    "openat": ((257, 56), (), ALLOWED),
    "a new thread": ((56, 220), (THREAD | 0x100,), ALLOWED),
    "a new process": ((56, 220), (0x11,), REFUSED),
    "clone3": ((435, 435), (), MISSING),
    "execve": ((59, 221), (), REFUSED),
    "socket": ((41, 198), (), REFUSED),
    "ptrace": ((101, 117), (), REFUSED),
    "io_uring_setup": ((425, 425), (), REFUSED),
    "fchmodat": ((268, 53), (), REFUSED),
    "open a file": ((257, 56), (0, 0, 0x80000), ALLOWED),
    "a file without a name": ((257, 56), (0, 0, 0x410002), REFUSED),
    "openat2": ((437, 437), (), MISSING),
    "flock": ((73, 32), (3, 2), REFUSED),
    "lock a part": ((72, 25), (3, 6), REFUSED),
    "setresuid": ((117, 147), (0,), REFUSED),
    "nfsservctl, the last of the list": ((180, 42), (), REFUSED),
    "fchmodat2, newer than the list": ((452, 452), (), MISSING),
    "kill itself": ((62, 129), (OWN,), ALLOWED),
    "kill another": ((62, 129), (OTHER,), REFUSED),
    "kill everybody": ((62, 129), (0xFFFFFFFF,), REFUSED),
    "signal its own thread": ((234, 131), (OWN, 1235), ALLOWED),
    "signal another's thread": ((234, 131), (OTHER, 4322), REFUSED),
    "its own limits": ((302, 261), (0,), ALLOWED),
    "another's limits": ((302, 261), (OTHER,), REFUSED),
    "name itself": ((157, 167), (15,), ALLOWED),
    "outlive its parent": ((157, 167), (1,), REFUSED),
    "close on exec": ((72, 25), (3, 2), ALLOWED),
    "have a descriptor signal": ((72, 25), (3, 8), REFUSED),
    "size of a terminal": ((16, 29), (0, 0x5413), ALLOWED),
    "type on a terminal": ((16, 29), (0, 0x5412), REFUSED),
}


@pytest.mark.parametrize("machine", sorted(MACHINES))
@pytest.mark.parametrize("call", CALLS)
def test_the_filter_judges_each_call_on_each_processor(call: str, machine: str) -> None:
    numbers, arguments, verdict = CALLS[call]
    audit, column = MACHINES[machine]
    program = filter_program(machine, OWN)
    assert len(program) // 8 <= 4_096  # The kernel takes no more.
    assert judge(program, audit, numbers[column], *arguments) == verdict
    assert judge(program, audit ^ 1, numbers[column], *arguments) == KILLED
    assert judge(program, audit, 0x40000000 + numbers[column], *arguments) == KILLED


def test_a_secret_among_installed_code_would_be_found(tmp_path: Path) -> None:
    assert readable(Path(np.__file__))
    assert readable(REPOSITORY / "als_engine" / "secret")
    assert not readable(REPOSITORY / "secret")
    assert not readable(tmp_path / "secret")
    assert not readable(Path.home() / "secret")


# What it can neither read nor import


def test_worlds_are_hidden_from_agents_but_not_agents_from_themselves() -> None:
    plain = world_modules("als_plugins.learners.on_policy:PPO")
    assert {"als_engine.simulation", "als_engine.physics", "pybullet", "mujoco"} <= {*plain}
    assert {"als_scenarios", "acme_worlds"} <= {*plain}
    # A package of agents and scenarios: only the modules of its scenarios.
    own = world_modules("als_scenarios.agents:Agent")
    assert "als_scenarios" not in own
    assert "als_scenarios.game.tag" in own
    assert "acme_worlds" not in world_modules("acme_worlds:Agent")


ALL_AGENTS = """
import gc, importlib.util, sys
gc.disable()  # As in an agent's process.
spec = importlib.util.spec_from_file_location("child", sys.argv[1])
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
sys.meta_path.insert(0, child._Refused(sys.argv[2].split(",")))
from als_engine.plugins.registry import registry
for spec in (*registry.agents(), *registry.encoders()):
    registry.load(spec)
    print(spec.id)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"pybullet", "als_scenarios"}))
"""


@pytest.mark.timeout(300)  # It imports every library that an agent needs.
def test_every_registered_agent_can_be_made_where_worlds_cannot() -> None:
    pytest.importorskip("torch")
    hidden = [name for name in world_modules("als_plugins:Any") if name != "acme_worlds"]
    done = subprocess.run(
        [sys.executable, "-c", ALL_AGENTS, CHILD, ",".join(hidden)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ppo" in done.stdout
    assert done.stdout.endswith("[]\n")


# What is counted where the kernel does not count it


@pytest.mark.parametrize(
    ("misdeed", "line"),
    [
        ("starts many threads", "the agent had more than 64 threads"),
        ("writes without names", "the agent wrote more than 16 MiB or 2000 files"),
        ("maps without names", "the agent wrote more than 16 MiB or 2000 files"),
        ("writes many", "the agent wrote more than 16 MiB or 2000 files"),
    ],
)
def test_where_the_kernel_bounds_nothing_it_is_watched(misdeed, line, monkeypatch) -> None:
    def unbounded(*arguments: Any) -> dict[str, Any]:
        return {**walls(*arguments), "quota": None}

    monkeypatch.setattr("als_bench.sandbox.agent.walls", unbounded)
    limits = Limits(seconds_per_act=60.0, memory_bytes=8 << 30, scratch_bytes=16 << 20)
    config = {"act": misdeed, "after": 0}
    with SandboxedAgent(None, "hostile/vandal", ID, {}, config, limits=limits) as agent:
        observation = look(agent)
        with pytest.raises(AgentFailure, match=line):
            agent.act(observation)


BOUND = """
import importlib.util, json, os, sys, threading, time
spec = importlib.util.spec_from_file_location("child", sys.argv[1])
child = importlib.util.module_from_spec(spec)
spec.loader.exec_module(child)
os.chdir(sys.argv[2])
if sys.argv[3] == "nobody" and os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    child._prctl(4, 1)  # As it is where nobody has changed: its /proc/self is its own.
bounded = child.bound(sys.argv[2], threads=8, bytes=1 << 20, files=50)
child._drop_capabilities()
count = 0
try:
    for count in range(100):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
except RuntimeError:
    pass
size = 0
try:
    with open("file", "wb", buffering=0) as file:
        os.unlink("file")
        while size < 4 << 20:
            size += file.write(bytes(1 << 16))
except OSError:
    pass
print(json.dumps([bounded, count, size]), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_the_kernel_bounds_threads_and_disk(user: str, tmp_path: Path) -> None:
    if user == "root" and not ROOT:
        pytest.skip("only root can be root")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        place = Path(folder) / "scratch"
        place.mkdir()
        os.chown(place, *((65534, 65534) if user == "nobody" and ROOT else (-1, -1)))
        done = subprocess.run(
            [sys.executable, "-I", "-c", BOUND, CHILD, str(place), user],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        bounded, threads, size = json.loads(done.stdout)
        missing = {"threads", "disk"} - {*bounded}
        if missing:
            pytest.skip(f"this kernel gives {user} no bound on {' and '.join(sorted(missing))}")
        assert threads < 8
        assert size <= 1 << 20
        assert list(place.iterdir()) == []


# What it may do


def test_it_plays_as_it_would_outside() -> None:
    outside = evaluate(make_agent("hostile/constant", ID, {}, {"action": 1}), ID, 5, num_worlds=2)
    with sandboxed("hostile/constant", action=1) as agent:
        inside = evaluate(agent, ID, 5, num_worlds=2)
    assert np.array_equal(inside.returns, outside.returns)
    assert np.array_equal(inside.lengths, outside.lengths)


def test_its_seeds_come_of_the_salt_and_the_worlds_seeds() -> None:
    def play(salt: bytes, worlds: int) -> list[float]:
        with SandboxedAgent(None, "random", ID, {}, salt=salt) as agent:
            found = evaluate(agent, ID, 6, num_worlds=worlds, arguments={"shaped": True})
        return found.returns.tolist()

    one = play(b"one", 1)
    assert play(b"one", 4) == one
    assert play(b"other", 1) != one


def test_it_may_write_into_its_scratch_folder_and_start_threads() -> None:
    with sandboxed("hostile/worker") as agent:
        actions, _ = agent.act(look(agent))
    assert actions.tolist() == [1, 1]


def test_masks_reach_an_agent_that_reads_them_where_there_are_any() -> None:
    with sandboxed("hostile/masked") as agent:
        masks = np.ones((ROWS, agent.action_space.n), np.bool_)
        actions, _ = agent.act({**look(agent), "action_mask": masks})
    assert actions.tolist() == [masks.shape[1] - 1] * ROWS
    continuous = {"action_mode": "continuous"}
    with SandboxedAgent(None, "hostile/masked", ID, continuous, {}, limits=QUICK) as agent:
        assert not agent.reads_masks
        assert not agent.act(look(agent))[0].any()
    with pytest.raises(AgentFailure, match="who wants to know"):
        sandboxed("hostile/liar")


def test_a_network_plays_the_same_in_there(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from als_engine.agents.saving import AgentRecord, save_agent

    arguments = {"action_mode": "continuous", "sensors": ["proprioception"]}
    agent = make_agent("ppo", ID, arguments, {"net_arch": [16]})
    save_agent(agent, tmp_path / "agent", AgentRecord(agent="ppo", scenario=ID))
    files = {path.name: path.read_bytes() for path in (tmp_path / "agent").iterdir()}
    outside = evaluate(agent, ID, 4, arguments=arguments, num_worlds=2, deterministic=True)
    with SandboxedAgent(files, "ppo", ID, arguments, agent.config) as inside:
        best = evaluate(inside, ID, 4, arguments=arguments, num_worlds=2, deterministic=True)
        one, many = (evaluate(inside, ID, 4, arguments=arguments, num_worlds=n) for n in (1, 3))
    assert np.array_equal(best.returns, outside.returns)
    assert np.array_equal(one.metrics["walked"], many.metrics["walked"])
    assert not np.array_equal(one.metrics["walked"], best.metrics["walked"])


def test_its_state_stays_in_there() -> None:
    with sandboxed("random") as agent:
        _, first = agent.act(look(agent))
        _, second = agent.act(look(agent), first)
        with pytest.raises(ArgumentError, match="latest state"):
            agent.act(look(agent), first)
        agent.act(look(agent), second)


def test_an_agent_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownIdError, match="hostile/nobody"):
        sandboxed("hostile/nobody")
    with pytest.raises(AgentFailure, match="no_such_module"):
        sandboxed("hostile/absent")


def test_files_of_a_saved_agent_stay_in_their_folder() -> None:
    with pytest.raises(AgentFailure, match="lies elsewhere"):
        SandboxedAgent({"../agent.json": b""}, "random", ID, {})


def test_what_an_agent_says_is_one_line_of_text() -> None:
    assert one_line("\x1b[31mred\nand\x00more" + "e" * 1_000).startswith("[31mred and more")
    assert len(one_line("e" * 1_000)) == 300


# What is left of it


def test_nothing_is_left_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    agent = sandboxed("hostile/constant")
    pid, open_before = agent.pid, len(os.listdir("/proc/self/fd"))
    assert left_over(tmp_path)
    agent.close()
    agent.close()
    assert not Path(f"/proc/{pid}").exists()
    assert len(os.listdir("/proc/self/fd")) == open_before - 3
    assert left_over(tmp_path) == []
    with pytest.raises(AgentFailure, match="ended"):
        agent.act(look(agent))


def test_nothing_is_left_of_one_that_is_forgotten(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    agent = sandboxed("hostile/constant")
    pid = agent.pid
    del agent
    assert not Path(f"/proc/{pid}").exists()
    assert left_over(tmp_path) == []


SLEEPER = """
import sys, time
from als_bench.sandbox.agent import SandboxedAgent
agent = SandboxedAgent(None, "random", "ALS/Tag-v0", {"sensors": ["proprioception"]})
print(agent.pid, flush=True)
time.sleep(600)
"""


def test_it_dies_with_a_parent_that_is_killed_and_its_folder_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", SLEEPER], env=environment, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        lines = iter(parent.stdout.readline, "")
        pid = next(int(line) for line in lines if line.strip().isdigit())
        parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()

    (old,) = left_over(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with sandboxed("hostile/constant"):
        assert old in left_over(tmp_path)  # It might be in somebody's hands; it is too young.
    os.utime(tmp_path / old, (0, 0))
    with sandboxed("hostile/constant"):
        assert old not in left_over(tmp_path)
