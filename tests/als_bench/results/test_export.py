"""An export has every row once, in order, and is the same bytes for the same results."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from als_command import als
from store_rows import RUN, chunk, fill, unit

from als_bench.results import export as export_module
from als_bench.results.export import COLUMNS, _write_csv, export
from als_bench.results.store import Store, StoreWriter
from als_engine.errors import ArgumentError, PluginError, SavedFileError

parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "results.sqlite"
    fill(path)
    return path


def expected(path: Path) -> list[dict[str, object]]:
    """The rows, by way of what the store itself answers."""
    with Store(path) as store:
        return [
            {
                "run": of.run,
                "tier": "claimed",
                "entry": of.entry,
                "agent": of.agent,
                "training_seed": of.seed,
                "episode": one.episode,
                "world_seed": one.seed,
                "level": one.level,
                "length": one.length,
                "return": one.total,
                "success": one.success,
                "terminated": one.terminated,
                "chain": one.chain,
                "metrics": dict(one.metrics),
            }
            for of in sorted(store.units(RUN.key))
            for one in store.episodes(of)
        ]


def test_parquet_has_every_row_with_its_type(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "folder" / "out.parquet"
    with Store(filled) as store:
        assert export(store, out) == 160
    table = parquet.read_table(out)
    assert [(f.name, str(f.type)) for f in table.schema] == [
        (name, {"float64": "double"}.get(kind, kind)) for name, kind in COLUMNS.items()
    ]
    rows = [{**row, "metrics": json.loads(row["metrics"])} for row in table.to_pylist()]
    assert rows == expected(filled)


def test_csv_has_every_row(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    seen: list[int] = []
    with Store(filled) as store:
        assert export(store, out, on_rows=seen.append) == 160
    assert seen == [160]
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert [
        {**row, "metrics": json.loads(row["metrics"])} for row in rows
    ] == [
        {name: value if name == "metrics" else str(value) for name, value in row.items()}
        for row in expected(filled)
    ]  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_same_results_are_the_same_bytes_in_whatever_order_they_came(
    filled: Path, tmp_path: Path, suffix: str
) -> None:
    again, otherwise = tmp_path / "again.sqlite", tmp_path / "otherwise.sqlite"
    fill(again)
    with StoreWriter(otherwise) as writer:
        writer.add_run(RUN)
        for seed in (0, 1):
            for entry in ("B/B-v0", "A/A-v0"):
                for part in (range(7, 40), range(12)):
                    writer.add_chunk(unit(entry, "ppo", seed), chunk(part, seed))
    written, means = [], []
    for path in (filled, again, otherwise):
        with Store(path) as store:
            export(store, path.with_suffix(suffix))
            means.append(store.seed_means(RUN.key))
        written.append(path.with_suffix(suffix).read_bytes())
    assert written[0] == written[1] == written[2]
    assert means[0] == means[1] == means[2], "to the last bit"


def test_rows_are_written_as_they_are_read(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(filled) as store:
        export(store, tmp_path / "whole.csv")
        monkeypatch.setattr(export_module, "_BATCH", 50)
        seen: list[int] = []
        for suffix in ("csv", "parquet"):
            export(store, tmp_path / f"parts.{suffix}", on_rows=seen.append)
    assert seen == [50, 100, 150, 160] * 2
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert parquet.ParquetFile(tmp_path / "parts.parquet").metadata.num_row_groups == 4


def test_an_empty_store_is_a_table_without_rows(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "results.sqlite") as writer:
        writer.add_run(RUN)
    with Store(tmp_path / "results.sqlite") as store:
        assert export(store, tmp_path / "out.csv") == 0
        assert export(store, tmp_path / "out.parquet") == 0
    assert (tmp_path / "out.csv").read_text() == ",".join(COLUMNS) + "\n"
    assert parquet.read_table(tmp_path / "out.parquet").column_names == list(COLUMNS)


def test_what_cannot_be_exported_is_one_line_and_leaves_the_old_file(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "out.parquet"
    old.write_text("old")
    with Store(filled) as store:
        with pytest.raises(
            ArgumentError, match=r"ends in \.parquet, \.csv or \.sqlite, got .*out\.xlsx"
        ):
            export(store, tmp_path / "out.xlsx")
        with pytest.raises(ArgumentError, match=f'unknown run "core-0"; did you mean "{RUN.key}"'):
            export(store, old, run="core-0")
        with pytest.raises(SavedFileError, match="cannot write"):
            export(store, old / "inside.csv")
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(PluginError, match=r'pip install "als-engine\[parquet\]".*\.csv'):
            export(store, old)
        assert export(store, tmp_path / "out.csv", run=RUN.key) == 160
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "out.parquet"]
    assert old.read_text() == "old"


def test_the_command_writes_the_file_and_says_how_much(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    done = als("bench", "export", "--store", filled, "--out", out)
    assert (done.code, done.err) == (0, "")
    assert done.out == f"160 episodes in {out}\n"
    assert len(out.read_text().splitlines()) == 161
    assert als("bench", "export", "--store", filled, "--out", out, "--run", RUN.key).code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "out.xlsx"), "ends in .parquet, .csv or .sqlite"),
        (("--out", "out.csv", "--run", "x"), 'unknown run "x"'),
        (("--out", "out.csv", "--store", "nowhere.sqlite"), 'there is no "'),
        ((), "Missing option '--out'"),
    ],
)
def test_a_mistake_is_one_line(
    filled: Path, tmp_path: Path, words: tuple[str, ...], message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = als("bench", "export", "--store", filled, *words)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_copy_as_sqlite_is_a_store_with_the_same_rows(filled: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy.sqlite"
    with Store(filled) as store:
        assert export(store, out) == 160
        with pytest.raises(ArgumentError, match="leave --run out"):
            export(store, out, run=RUN.key)
    assert expected(out) == expected(filled)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    with Store(out) as copy, Store(filled) as store:
        assert copy.runs() == store.runs()
        assert copy.seed_means(RUN.key) == store.seed_means(RUN.key)
        one = tmp_path / "one.csv", tmp_path / "other.csv"
        export(copy, one[0]), export(store, one[1])
    assert one[0].read_bytes() == one[1].read_bytes()


def test_csv_has_no_cell_that_begins_a_formula(tmp_path: Path) -> None:
    """Names come from other people's stores; numbers stay numbers, also negative ones."""
    rows = [("run", "=1+1", "@cmd", "+x", -3, 0, -1.5, '{"a": -1}')]
    _write_csv(tmp_path / "out.csv", iter([rows]))
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.reader(file))[1]
    assert written == ["run", "'=1+1", "'@cmd", "'+x", "-3", "0", "-1.5", '{"a": -1}']
