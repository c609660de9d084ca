"""An agent in the sandbox sees observations and writes scratch files; nothing else gives way.

The agents are real ones, installed as a plugin that the agent's process finds by itself. Every
attempt is made twice: by an agent that is confined, and by one that is not, where it works. So
none of these tests passes because the attempt was made wrongly.
"""

from __future__ import annotations

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

from als_engine.benchmark.sandbox.agent import AgentFailure, Limits, SandboxedAgent
from als_engine.benchmark.sandbox.channel import one_line
from als_engine.benchmark.sandbox.confinement import Confinement, confinement, readable
from als_engine.benchmark.sandbox.syscalls import MACHINES, filter_program
from als_engine.errors import ArgumentError, UnknownIdError
from als_engine.evaluation.protocol import evaluate
from als_engine.saving import make_agent

__all__ = ["hostile", "learn"]

pytestmark = [
    pytest.mark.usefixtures("learn", "hostile"),
    pytest.mark.skipif(not confinement().complete, reason=str(confinement())),
]

FREE = Confinement(0, False, "")
QUICK = Limits(seconds_per_act=3.0, memory_bytes=1 << 30, scratch_bytes=32 << 20)
ROWS = 2
REPOSITORY = Path(__file__).parents[2]


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
        None, "hostile/burglar", ID, {}, {"place": json.dumps(place)}, limits=QUICK, force=force
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


def test_a_network_plays_the_same_in_there(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from als_engine.saving import AgentRecord, save_agent

    arguments = {"action_mode": "continuous", "sensors": ["proprioception"]}
    agent = make_agent("ppo", ID, arguments, {"net_arch": [8]})
    save_agent(agent, tmp_path / "agent", AgentRecord(agent="ppo", scenario=ID))
    files = {path.name: path.read_bytes() for path in (tmp_path / "agent").iterdir()}
    outside = evaluate(agent, ID, 4, arguments=arguments, num_worlds=2)
    with SandboxedAgent(files, "ppo", ID, arguments, agent.config) as inside:
        found = evaluate(inside, ID, 4, arguments=arguments, num_worlds=2)
    assert np.array_equal(found.returns, outside.returns)


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
from als_engine.benchmark.sandbox.agent import SandboxedAgent
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
