"""What was stored is read back, once; what contradicts it, or is no store, is refused."""

from __future__ import annotations

import dataclasses
import math
import sqlite3
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_rows import RUN, check_whole, chunk, fill, result, trained, unit

from als_bench.records import Chunk, Unit
from als_bench.results.schema import APPLICATION
from als_bench.results.store import Store, StoreWriter
from als_engine.errors import StoreError

NUMBERS = count()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "results.sqlite"
    fill(path)
    return path


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreWriter]:
    """A store that the tests share, since a process takes its time to start."""
    with StoreWriter(tmp_path_factory.mktemp("writer") / "results.sqlite") as writer:
        writer.add_run(RUN)
        yield writer
        check_whole(writer.path)


@pytest.fixture
def store(writer: StoreWriter) -> Iterator[Store]:
    with Store(writer.path) as store:
        yield store


@pytest.fixture
def of() -> Unit:
    """A unit that no other test has."""
    return unit(entry=f"test {next(NUMBERS)}")


def same(a: Chunk, b: Chunk) -> bool:
    arrays = ("actions", "rewards", "chain")
    pairs = [(getattr(a, name), getattr(b, name)) for name in arrays]
    return a.results == b.results and all(
        x.dtype == y.dtype and np.array_equal(x, y) for x, y in pairs
    )


def test_everything_is_read_back_as_it_was_stored(filled: Path) -> None:
    of = unit("B/B-v0", "ppo", 1)
    with Store(filled) as store:
        assert store.runs() == [RUN]
        assert len(store.units(RUN.key)) == 5
        assert store.units("another") == []
        assert store.done(of) == set(range(40))
        assert store.episodes(of) == [result(episode, 1) for episode in range(40)]
        assert store.training(of) == trained(1)
        assert store.training(of, with_files=False) == dataclasses.replace(trained(1), files={})
        folder = store.agent_folder(of)
        assert folder is not None
        assert (folder / "agent.json").read_bytes() == trained(1).files["agent.json"]
        assert store.failures(RUN.key) == {unit(agent="dqn"): "it gave no actions"}
        assert store.verdicts(RUN.key) == [("ppo", "replayed", "ab" * 32, "80 episodes")]
        parts = list(store.chunks(of))
        assert len(parts) == 2
        assert all(same(parts[i], chunk(range(20 * i, 20 * i + 20), 1)) for i in range(2))


def test_what_was_never_stored_is_empty(filled: Path) -> None:
    nobody = unit(agent="nobody")
    with Store(filled) as store:
        assert store.episodes(nobody) == []
        assert store.done(nobody) == set()
        assert store.training(nobody) is None
        assert store.agent_folder(nobody) is None
        assert list(store.chunks(nobody)) == []


def test_seed_means_are_the_means_of_the_episodes(filled: Path) -> None:
    with Store(filled) as store:
        means = store.seed_means(RUN.key)
        assert [(m.entry, m.seed) for m in means] == [
            (entry, seed) for entry in ("A/A-v0", "B/B-v0") for seed in (0, 1)
        ]
        for mean in means:
            episodes = store.episodes(Unit(RUN.key, mean.entry, mean.agent, mean.seed))
            assert mean.episodes == len(episodes) == 40
            for name in ("total", "success", "length"):
                expected = np.mean([getattr(e, name) for e in episodes])
                assert getattr(mean, name) == pytest.approx(expected)


def test_the_same_again_changes_nothing(filled: Path, tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    fill(path)
    files = {p: p.stat().st_mtime_ns for p in path.with_name("results.sqlite.d").rglob("*")}
    fill(path)
    assert {p: p.stat().st_mtime_ns for p in files} == files
    assert dump(path) == dump(filled)


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    lines = list(connection.iterdump())
    connection.close()
    return lines


def test_only_the_episodes_that_are_missing_are_added_with_their_part_of_the_log(
    writer: StoreWriter, store: Store, of: Unit
) -> None:
    writer.add_chunk(of, chunk(range(4, 9)))
    writer.add_chunk(of, chunk(range(12)))
    check_whole(writer.path)
    assert store.episodes(of) == [result(episode) for episode in range(12)]
    first, second = store.chunks(of)
    assert same(first, chunk([0, 1, 2, 3, 9, 10, 11]))
    assert same(second, chunk(range(4, 9)))


@pytest.mark.parametrize(
    "change",
    [
        {"total": 0.125},
        {"success": 0.5},
        {"length": 2},
        {"seed": 99},
        {"level": 7},
        {"terminated": None},
        {"chain": 5},
        {"metrics": {"tags": 3.0}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_rows_under_the_same_key_are_refused(
    writer: StoreWriter, store: Store, of: Unit, change: dict[str, Any]
) -> None:
    writer.add_chunk(of, chunk([5]))
    stored = result(5)
    if "terminated" in change:
        change = {"terminated": not stored.terminated}
    other = dataclasses.replace(stored, **change)
    steps = other.length
    contradicting = Chunk(
        (*chunk([4]).results, other),
        np.zeros((5 + steps, 2)),
        np.zeros((5 + steps, 2)),
        np.array([result(4).chain] * 5 + [other.chain] * steps, np.uint64),
    )
    name = next(iter(change))
    with pytest.raises(StoreError, match=rf'episode 5 of "ppo:.*seed 0.*another {name} \(') as e:
        writer.add_chunk(of, contradicting)
    assert "\n" not in str(e.value)
    assert store.episodes(of) == [stored]
    assert len(list(store.chunks(of))) == 1


def test_another_run_or_training_under_the_same_key_is_refused(
    writer: StoreWriter, store: Store, of: Unit
) -> None:
    writer.add_run(dataclasses.replace(RUN, machine={"cores": 64}))
    with pytest.raises(StoreError, match="run core-3f9a0c12 with another versions"):
        writer.add_run(dataclasses.replace(RUN, versions={"numpy": "1.0"}))
    writer.add_training(of, trained())
    writer.add_training(of, dataclasses.replace(trained(), seconds=99.0, attempts=2))
    with pytest.raises(StoreError, match=r"a training of .* with another agent"):
        writer.add_training(of, trained(1))
    assert store.runs() == [RUN]
    assert store.training(of) == trained()


def test_a_failure_is_forgotten_when_the_unit_succeeds(
    writer: StoreWriter, store: Store, of: Unit
) -> None:
    for reason in ("one", "two"):
        writer.add_failure(of, reason)
    assert store.failures(RUN.key) == {of: "two"}
    writer.add_training(of, trained())
    assert store.failures(RUN.key) == {}
    writer.add_chunk(of, chunk(range(4)))
    writer.add_failure(of, "three")
    writer.add_chunk(of, chunk(range(4)))
    assert store.failures(RUN.key) == {of: "three"}, "nothing new was played"
    writer.add_chunk(of, chunk(range(4, 8)))
    assert store.failures(RUN.key) == {}


def test_a_snapshot_is_of_one_moment(writer: StoreWriter, store: Store, of: Unit) -> None:
    writer.add_chunk(of, chunk(range(4)))
    with store.snapshot():
        assert store.done(of) == set(range(4))
        writer.add_chunk(of, chunk(range(4, 8)))
        assert store.done(of) == set(range(4))
        assert len(list(store.chunks(of))) == 1
    assert store.done(of) == set(range(8))


def test_a_later_verdict_on_the_same_bundle_takes_the_place_of_the_first(
    writer: StoreWriter, store: Store
) -> None:
    for detail in ("39 of 40", "40 of 40"):
        writer.add_verdict(RUN.key, "ppo", "replayed", "aa", detail)
    writer.add_verdict(RUN.key, "ppo", "executed", "aa", "40 of 40")
    assert store.verdicts(RUN.key) == [
        ("ppo", "executed", "aa", "40 of 40"),
        ("ppo", "replayed", "aa", "40 of 40"),
    ]


def test_numbers_keep_their_bits(writer: StoreWriter, store: Store, of: Unit) -> None:
    extreme = dataclasses.replace(
        result(0),
        seed=(1 << 62) + 3,
        total=0.1 + 0.2,
        chain=(1 << 64) - 1,
        metrics={"nothing": math.nan, "least": -math.inf, "most": math.inf, "tiny": 5e-324},
    )
    one = Chunk((extreme,), np.zeros(1), np.zeros((1, 1)), np.array([extreme.chain], np.uint64))
    writer.add_chunk(of, one)
    writer.add_chunk(of, one)
    (read,) = store.episodes(of)
    assert math.isnan(read.metrics["nothing"])
    kept = {k: v for k, v in read.metrics.items() if k != "nothing"}
    assert kept == {"least": -math.inf, "most": math.inf, "tiny": 5e-324}
    assert dataclasses.replace(read, metrics={}) == dataclasses.replace(extreme, metrics={})


def test_numpy_numbers_are_stored_as_numbers(writer: StoreWriter, store: Store, of: Unit) -> None:
    given = dataclasses.replace(
        result(0),
        seed=np.int64(4),
        length=np.int64(1),
        total=np.float32(0.5),
        terminated=np.bool_(True),
        chain=np.uint64(1 << 63),
    )
    one = Chunk((given,), np.zeros(1), np.zeros((1, 1)), np.array([given.chain], np.uint64))
    writer.add_chunk(of, one)
    (read,) = store.episodes(of)
    assert (read.seed, read.total, read.terminated, read.chain) == (4, 0.5, True, 1 << 63)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"chain": np.zeros(1, np.uint64)}, "not as many as its steps"),
        ({"results": (result(1), result(0))}, "not in the order"),
        ({"results": (result(0), result(0))}, "not in the order"),
        ({"chain": np.zeros(3, np.uint64)}, "the chain of episode 0 ends otherwise"),
        (
            {"results": (result(0), dataclasses.replace(result(1), total=math.nan))},
            "episode 1 has no steps, or a result that is no number",
        ),
        (
            {"results": (result(0), dataclasses.replace(result(1), seed=1 << 63))},
            "the seed or level of episode 1 has more than 64 bits",
        ),
    ],
)
def test_a_chunk_that_is_not_right_in_itself_is_refused(
    writer: StoreWriter, store: Store, of: Unit, broken: dict[str, Any], words: str
) -> None:
    with pytest.raises(StoreError, match=words):
        writer.add_chunk(of, dataclasses.replace(chunk([0, 1]), **broken))
    assert of not in store.units(RUN.key)


@pytest.mark.parametrize("name", ["", "=HYPERLINK()", "+1", "a\nb", "x" * 201, " a"])
def test_a_name_that_would_harm_a_table_is_refused(writer: StoreWriter, name: str) -> None:
    with pytest.raises(StoreError, match="the name of an agent"):
        writer.add_failure(unit(agent=name), "none")


@pytest.mark.parametrize("name", ["../agent.json", "/etc/agent.json", "a/../../b", "", "a\0b"])
def test_an_agents_file_cannot_leave_its_folder(
    writer: StoreWriter, store: Store, of: Unit, name: str
) -> None:
    with pytest.raises(StoreError, match="an agent's file cannot be called"):
        writer.add_training(of, dataclasses.replace(trained(), files={name: b""}))
    assert store.training(of) is None
    assert store.agent_folder(of) is None


@pytest.mark.parametrize("key", ["", "../../etc", "a/b", ".hidden", "x" * 121])
def test_a_runs_key_cannot_be_a_path(writer: StoreWriter, key: str) -> None:
    with pytest.raises(StoreError, match="a run's key is"):
        writer.add_run(dataclasses.replace(RUN, key=key))


def test_a_unit_of_no_run_is_refused(writer: StoreWriter, of: Unit) -> None:
    with pytest.raises(StoreError, match=r"has no run 'other'; add_run comes first"):
        writer.add_chunk(dataclasses.replace(of, run="other"), chunk([0]))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.unlink(), "cannot read"),
        (lambda path: path.write_bytes(b"\x80\x04no"), "is a pickle"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "not a whole safetensors file"),
        (lambda path: path.write_bytes(sibling(path).read_bytes()), "does not belong"),
    ],
    ids=["missing", "pickle", "cut off", "another's"],
)
def test_a_log_that_is_not_the_one_that_was_stored_is_named(
    tmp_path: Path, harm: Any, words: str
) -> None:
    path = tmp_path / "results.sqlite"
    fill(path, ["A/A-v0"])
    of = unit("A/A-v0", "ppo", 0)
    with Store(path) as store:
        log = next(path.parent.glob("*.d/logs/*/*/000020.safetensors"))
        harm(log)
        with pytest.raises(StoreError, match=words) as error:
            list(chain.from_iterable(map(store.chunks, store.units(RUN.key))))
        assert str(log) in str(error.value)
        assert len(store.episodes(of)) == 40


def sibling(path: Path) -> Path:
    return next(other for other in path.parent.iterdir() if other != path)


def test_an_agent_that_was_changed_is_not_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    fill(path, ["A/A-v0"])
    of = unit("A/A-v0", "ppo", 0)
    with Store(path) as store:
        folder = store.agent_folder(of)
        assert folder is not None
        (folder / "agent.json").write_text("{ }")
        with pytest.raises(StoreError, match="others than were stored"):
            store.training(of)


def test_files_that_cannot_be_written_are_one_line_and_the_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    beside = tmp_path / "results.sqlite.d"
    beside.write_text("in the way")
    with StoreWriter(path) as writer:
        writer.add_run(RUN)
        for add in (
            lambda: writer.add_chunk(unit(), chunk([0])),
            lambda: writer.add_training(unit(), trained()),
        ):
            with pytest.raises(StoreError, match=r'cannot write to "results\.sqlite\.d"') as error:
                add()
            assert "\n" not in str(error.value)
        beside.unlink()
        writer.add_chunk(unit(), chunk([0]))
    check_whole(path)


def foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url)")
    connection.close()


def newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def damaged(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (foreign, "another program's SQLite file; name another file"),
        (newer, r"newer ALS Engine \(schema 99, this one knows 1\); upgrade with: pip"),
        (
            lambda path: path.write_text("Dear diary"),
            "file is not a database; it is no store of results",
        ),
        (lambda path: path.mkdir(), "is a folder; name a file"),
        (damaged, "no store of results, or damaged; name another file"),
    ],
    ids=["foreign", "newer", "text", "folder", "damaged"],
)
@pytest.mark.parametrize("opened", [Store, StoreWriter])
def test_what_is_no_store_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, make: Any, words: str, opened: Any
) -> None:
    path = tmp_path / "results.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError, match=words) as error:
        opened(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert before is None or path.read_bytes() == before


def test_a_missing_store_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no .*results\.sqlite"):
        Store(tmp_path / "results.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_reading_leaves_nothing_beside_the_file(filled: Path) -> None:
    with Store(filled) as store:
        store.seed_means(RUN.key)
    assert sorted(p.name for p in filled.parent.iterdir()) == [
        "results.sqlite",
        "results.sqlite.d",
    ]


def test_nothing_that_a_store_keeps_is_a_pickle(filled: Path) -> None:
    suffixes = {p.suffix for p in filled.parent.rglob("*") if p.is_file()}
    assert suffixes == {".sqlite", ".safetensors", ".json"}
    for path in filled.parent.rglob("*"):
        assert not path.is_file() or not path.read_bytes().startswith(b"\x80")


def test_demonstrated_steps_are_kept_beside_the_others(
    writer: StoreWriter, store: Store, of: Unit
) -> None:
    shown = dataclasses.replace(trained(), demonstrated=500)
    of = dataclasses.replace(of, agent="shown some", seed=0)
    other = dataclasses.replace(of, agent="shown none")
    writer.add_training(of, shown)
    writer.add_training(dataclasses.replace(of, seed=1), trained())
    writer.add_training(other, trained())
    assert store.training(of) == shown
    efforts = store.efforts(RUN.key)
    assert efforts[of.agent] == (2_000, 250)
    assert efforts[other.agent] == (2_000, 0)


def test_a_store_from_before_demonstrations_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    fill(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE demonstrations")
    connection.close()
    of = unit("A/A-v0", "ppo", 0)
    with Store(path) as store:
        assert store.training(of) == trained()
        assert store.efforts(RUN.key) == {"ppo": (2_000, 0)}
    shown = dataclasses.replace(trained(), demonstrated=7)
    with StoreWriter(path) as writer:
        writer.add_training(unit("A/A-v0", "mappo", 0), shown)
    with Store(path) as store:
        assert store.training(unit("A/A-v0", "mappo", 0)) == shown
