"""Real processes that are killed, interrupted, crowded or out of space lose and double nothing."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from store_rows import RUN, check_whole, chunk, fill, result, trained, unit, write_on, write_some

from als_bench.results import schema as store_schema
from als_bench.results.export import export
from als_bench.results.store import Store, StoreWriter
from als_engine.errors import SavedFileError, StoreError

SPAWN = multiprocessing.get_context("spawn")
NOBODY = 65_534


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits for nothing but to be noticed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def members_of(group: int) -> list[int]:
    """The processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It has ended meanwhile.
            stat = path.read_text()
            if int(stat.rpartition(")")[2].split()[2]) == group:
                found.append(int(stat.split()[0]))
    return found


def assert_soon(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_writer_that_is_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    path, rng = tmp_path / "results.sqlite", np.random.default_rng(0)
    acknowledged = 0
    for _ in range(6):
        with StoreWriter(path) as writer:
            writer.add_run(RUN)
            pid = writer._process.pid
            timer = threading.Timer(rng.uniform(0, 0.1), os.kill, (pid, signal.SIGKILL))
            timer.start()
            with pytest.raises(StoreError, match=r"has died \(exit code -9\)"):  # noqa: PT012
                while True:
                    episodes = range(acknowledged, acknowledged + 4)
                    writer.add_chunk(unit(), chunk(episodes))
                    acknowledged += 4
            timer.join()
            with pytest.raises(StoreError, match="is closed; open it again"):
                writer.add_run(RUN)
        check_whole(path)
        with Store(path) as store:
            done = len(store.done(unit()))
            assert store.episodes(unit()) == [result(episode) for episode in range(done)]
        # What was not acknowledged may be there all the same, whole.
        assert done in (acknowledged, acknowledged + 4)
    assert acknowledged > 0
    whole = tmp_path / "whole.sqlite"
    for to in (path, whole):
        with StoreWriter(to) as writer:
            writer.add_run(RUN)
            for first in range(0, acknowledged + 4, 4):
                writer.add_chunk(unit(), chunk(range(first, first + 4)))
    assert dump(path) == dump(whole)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_writer_ends_with_its_parent_and_keeps_what_it_acknowledged(
    tmp_path: Path, how: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """SIGKILL for the parent alone; SIGINT for both, as Ctrl-C in a terminal sends it."""
    path, rng = tmp_path / "results.sqlite", np.random.default_rng(how)
    for luck in range(2):
        notes = tmp_path / f"notes-{luck}"
        process = SPAWN.Process(target=write_on, args=(path, notes, luck))
        process.start()
        while not (notes.exists() and notes.read_text().count("\n") > 2):
            assert process.is_alive()
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.05))
        (os.kill if how == signal.SIGKILL else os.killpg)(process.pid, how)
        process.join()
        pid, *firsts = map(int, notes.read_text().split("\n")[:-1])
        assert_soon(lambda: has_ended(pid))  # noqa: B023 - It is called at once.
        check_whole(path)
        with Store(path) as store:
            done = store.done(unit(seed=luck))
        acknowledged = {episode for first in firsts for episode in range(first, first + 4)}
        assert acknowledged <= done
        assert len(done - acknowledged) <= 4
    assert "results/process" not in capfd.readouterr().err


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2])
def test_ctrl_c_while_the_writer_starts_leaves_no_process_and_no_noise_of_its(
    tmp_path: Path, delay: float
) -> None:
    path = tmp_path / "results.sqlite"
    script = (
        "import sys, pathlib\n"
        "from als_bench.results.store import StoreWriter\n"
        "print('ready', flush=True)\n"
        f"with StoreWriter(pathlib.Path({str(path)!r})) as writer:\n"
        "    input()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode != 0
    assert err.count("Traceback") <= 1, err
    assert "results/process" not in err
    assert_soon(lambda: all(map(has_ended, members_of(process.pid))))


def test_a_writer_does_not_mind_ctrl_c_or_a_polite_kill(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "results.sqlite") as writer:
        writer.add_run(RUN)
        for name in (signal.SIGINT, signal.SIGTERM):
            os.kill(writer._process.pid, name)
            writer.add_chunk(unit(seed=int(name)), chunk(range(4)))
    assert writer._process.exitcode == 0


@pytest.mark.usefixtures("new_interpreters")
def test_a_writer_starts_without_heavy_libraries(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "results.sqlite") as writer:
        loaded = Path(f"/proc/{writer._process.pid}/maps").read_text()
    assert "sqlite" in loaded
    for library in ("torch", "pybullet", "numba", "pyarrow", "/scipy/"):
        assert library not in loaded


WRITERS = 4


def test_four_writers_at_once_all_arrive_and_none_is_doubled(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    processes = [
        SPAWN.Process(target=write_some, args=(path, WRITERS, index)) for index in range(WRITERS)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * WRITERS
    check_whole(path)
    with Store(path) as store:
        for index in range(WRITERS):
            episodes = store.episodes(unit(seed=index))
            assert episodes == [result(episode, index) for episode in range(12)]
        shared = store.episodes(unit(seed=WRITERS))
        assert shared == [result(episode, WRITERS) for episode in range(len(shared))]
        assert len(shared) == 8 + 3 + 6


def test_a_store_is_read_while_it_is_written(tmp_path: Path) -> None:
    path, notes = tmp_path / "results.sqlite", tmp_path / "notes"
    process = SPAWN.Process(target=write_on, args=(path, notes, 0))
    process.start()
    while not (notes.exists() and notes.read_text().count("\n") > 2):
        time.sleep(0.005)
    seen = [0]
    with Store(path) as store:
        while len(seen) < 3 or seen[-1] < seen[1] + 20:
            seen.append(len(store.done(unit())))
            logged = [r.episode for part in store.chunks(unit()) for r in part.results]
            assert len(logged) >= seen[-1]
            assert len(logged) % 4 == 0
    process.kill()
    process.join()
    assert seen == sorted(seen)


@contextmanager
def file_size_limit(pid: int, limit: int) -> Iterator[None]:
    """No file of the process may grow beyond it: what a full disk looks like to SQLite."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("what", ["log", "table", "agent"])
def test_a_full_disk_is_one_line_and_the_same_call_succeeds_when_there_is_space(
    tmp_path: Path, what: str
) -> None:
    path = tmp_path / "results.sqlite"
    with StoreWriter(path) as writer:
        writer.add_run(RUN)
        writer.add_chunk(unit(), chunk(range(8)))
        before = dump(path)
        # The log of 12 episodes has some 3 kB, the tables are already larger.
        log_of_changes = path.with_name(f"{path.name}-wal")
        limit = log_of_changes.stat().st_size if what == "table" else 50
        pid = writer._process.pid
        assert pid is not None

        def add() -> None:
            if what == "agent":
                writer.add_training(unit(), trained())
            else:
                writer.add_chunk(unit(), chunk(range(20)))

        for _ in range(2):
            with (
                file_size_limit(pid, limit),
                pytest.raises(StoreError, match="free some space and do the same again") as error,
            ):
                add()
            assert str(path) in str(error.value)
            assert "\n" not in str(error.value)
            assert dump(path) == before
            check_whole(path)
            assert not list(tmp_path.rglob(".*")), "a half-written file"
        add()
    check_whole(path)
    with Store(path) as store:
        assert len(store.done(unit())) == (8 if what == "agent" else 20)
        assert (store.training(unit()) is not None) == (what == "agent")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB, where whoever tests may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    path, ballast = small_disk / "results.sqlite", small_disk / "ballast"
    added = 0
    with StoreWriter(path) as writer:
        writer.add_run(RUN)
        writer.add_chunk(unit(), chunk(range(4)))
        added = 4
        with suppress(OSError):
            ballast.write_bytes(bytes(1 << 20))
        with pytest.raises(StoreError, match="free some space and do the same again"):  # noqa: PT012
            while True:
                writer.add_chunk(unit(), chunk(range(added, added + 4)))
                added += 4
        check_whole(path)
        with Store(path) as store:
            assert len(store.done(unit())) == added
            for name in ("out.csv", "out.parquet"):
                with pytest.raises(SavedFileError, match="No space left") as error:
                    export(store, small_disk / name)
                assert "\n" not in str(error.value)
        assert sorted(p.name for p in small_disk.iterdir() if "sqlite" not in p.name) == ["ballast"]
        ballast.unlink()
        writer.add_chunk(unit(), chunk(range(added, added + 4)))
    check_whole(path)
    with Store(path) as store:
        assert len(store.done(unit())) == added + 4


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom permissions bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that others may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


def test_in_a_read_only_place_a_store_is_read_and_not_written(public: Path) -> None:
    path = public / "results.sqlite"
    fill(path, ["A/A-v0"])
    public.chmod(0o555)
    path.chmod(0o444)
    with unprivileged():
        with Store(path) as store:
            assert len(store.seed_means(RUN.key)) == 2
            assert len(store.done(unit("A/A-v0", "ppo"))) == 40
        for name in (path, public / "new.sqlite", public / "folder" / "new.sqlite"):
            # What the writer's process does first.
            with pytest.raises(StoreError, match="cannot write") as error:
                store_schema.open_writer(name)
            assert str(name) in str(error.value)
            assert "\n" not in str(error.value)
    assert sorted(p.name for p in public.iterdir()) == ["results.sqlite", "results.sqlite.d"]


def test_a_store_that_another_process_holds_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.sqlite"
    store_schema.open_writer(path).close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(store_schema, "PATIENCE", 0.1)
    with pytest.raises(StoreError, match=r"results\.sqlite.*another process has held it"):
        store_schema.open_writer(path)
    holder.close()
    store_schema.open_writer(path).close()


def test_a_writer_that_died_before_it_was_asked_is_one_line(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "results.sqlite") as writer:
        os.kill(writer._process.pid, signal.SIGKILL)
        writer._process.join()
        with pytest.raises(StoreError, match=r"has died \(exit code -9\)"):
            writer.add_run(RUN)
