"""A CSV file of walks is read as it stands, or refused in a line that names the line."""

import csv
import io
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from als_engine.errors import SavedFileError
from als_plugins.forecast.csv_file import read_csv, read_rows, recent, resampled, write_csv

HEADER = "user_id,timestamp,x,y\n"


def written(folder, text, name="walks.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def walk(name, times, speed=1.0):
    return "".join(f"{name},{t},{speed * t},0\n" for t in times)


def test_even_rows_are_the_tracks(tmp_path):
    rows = walk("ann", [0.0, 0.2, 0.4, 0.6]) + walk("bob", [0.2, 0.4])
    tracks = read_csv(written(tmp_path, HEADER + rows), 0.2, 1.0)
    whole = tracks.position[tracks.part == 0]
    assert tracks.record.names == ["ann", "bob"]
    assert tracks.present.sum() == 6
    assert whole[0, :, 0, 0] == pytest.approx([0.0, 0.2, 0.4], abs=1e-6)
    assert tracks.start.tolist() == pytest.approx([0.0, 0.6])


def test_mark_order_columns_and_copies_make_no_difference(tmp_path):
    plain = read_rows(written(tmp_path, HEADER + walk("ann", [0, 1, 2]) + walk("bob", [1, 2])))
    odd = (
        "\ufeffy, x ,who,TIMESTAMP,user_id\r\n0,2,7,2,ann\r\n\r\n0,1,7,1,bob\r\n0,0,7,0,ann\r\n"
        '0,1,7,1,"ann"\r\n0,2,7,2,bob\r\n0,1,7,1,bob\r\n'
    )
    other = read_rows(written(tmp_path, odd, "odd.csv"))
    assert other.names == plain.names
    for name in ("person", "time", "place"):
        assert np.array_equal(getattr(other, name), getattr(plain, name))


def test_dates_are_seconds(tmp_path):
    stamps = ["2026-01-02T03:04:05Z", "2026-01-02T04:04:05.5+01:00", "2026-01-02 03:04:06"]
    rows = read_rows(written(tmp_path, HEADER + "".join(f"a,{s},0,0\n" for s in stamps)))
    assert np.diff(rows.time).tolist() == [0.5, 0.5]
    assert rows.iso


def test_irregular_times_are_interpolated_and_gaps_split(tmp_path):
    times = [0.0, 0.13, 0.51, 0.9, 3.0, 3.3, 3.7]
    rows = read_rows(written(tmp_path, HEADER + walk("ann", times, speed=2.0)))
    tracks = resampled(rows, "walks", 0.2, 1.0)
    seen = tracks.present[..., 0]
    time = (tracks.start[:, None] + 0.2 * np.arange(seen.shape[1]))[seen]
    assert time == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 3.0, 3.2, 3.4, 3.6], abs=1e-6)
    assert tracks.position[seen][:, 0, 0] == pytest.approx(2 * time, abs=1e-5)


def test_parts_follow_one_another_in_time(tmp_path):
    tracks = read_csv(written(tmp_path, HEADER + walk("ann", range(200))), 1.0, 1.0)
    assert tracks.part.tolist() == sorted(tracks.part.tolist())
    assert np.all(np.diff(tracks.start) > 0)
    assert [int(tracks.present[tracks.part == part].sum()) for part in (0, 1, 2)] == [140, 30, 30]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (HEADER, "no rows"),
        ("user_id;timestamp;x;y\na;0;0;0\n", "line 1: columns are separated by semicolons"),
        ("user_id\ttimestamp\tx\ty\n", "line 1: columns are separated by tabs"),
        ("user_id,time,x,y\n", 'line 1: the header has no column "timestamp"'),
        ("user_id,timestamp,x,y,x\n", 'line 1: the header has more than one column "x"'),
        (HEADER + "a,0,0,0\na,1,0\n", "line 3: 3 cells; 4 are needed"),
        (HEADER + "a,0,0,north\n", "line 2: y is 'north', no number"),
        (HEADER + "a,0,nan,0\n", "line 2: x is 'nan'"),
        (HEADER + "a,0,1_0,0\n", "line 2: x is '1_0', no number"),
        (HEADER + "a,0,1e9,0\n", "line 2: x is '1e9'"),
        (HEADER + "a,noon,0,0\n", "line 2: timestamp 'noon' is neither"),
        (HEADER + "a,inf,0,0\n", "line 2: timestamp 'inf' is out of range"),
        (HEADER + "a,0,0,0\na,2026-01-01,0,0\n", "line 3: timestamps are numbers here and dates"),
        (HEADER + ",0,0,0\n", "line 2: user_id is empty"),
        (HEADER + "a,0,0,0\nb,0,1,1\na,0,0,1\n", "line 4: another place at the time of line 2"),
        (HEADER + 'a,0,0,0\n"a,1,0,0\n', "line"),
        (HEADER + "a,0,0,0\n" + "b" * 20_000, "line 3: longer than"),
        (HEADER.encode() + b"a,0,0,0\n\xff\xfe,1,0,0\n", "not UTF-8"),
        (HEADER + "a\0,0,0,0\n", "line 2: a NUL"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, text, says):
    with pytest.raises(SavedFileError) as error:
        read_rows(written(tmp_path, text))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_and_a_link_are_no_files(tmp_path):
    (tmp_path / "link.csv").symlink_to(written(tmp_path, HEADER + "a,0,0,0\n"))
    for path in (tmp_path, tmp_path / "link.csv", tmp_path / "none.csv"):
        with pytest.raises(SavedFileError, match="is no file"):
            read_rows(path)


def test_whoever_was_seen_a_moment_ago_has_gone_on(tmp_path):
    ann = walk("ann", [0, 0.2, 0.4, 0.6, 0.8, 1.0])
    bob = walk("bob", [0, 0.2, 0.4, 0.7], speed=5.0)
    rows = read_rows(written(tmp_path, HEADER + ann + bob))
    tracks = recent(rows, "walks", 0.2, 0.5, 1.0, 4)
    assert tracks.present.all()
    assert tracks.position[0, -1, :, 0] == pytest.approx([1.0, 5.0], abs=1e-5)


names = st.text(string.ascii_letters + " ,\"'é-", min_size=1, max_size=8).filter(str.strip)
metres = st.floats(-1000, 1000).map(lambda value: round(value, 4))
people = st.lists(
    st.tuples(names.map(str.strip), st.integers(0, 40), metres, metres), min_size=1, max_size=30,
    unique_by=lambda row: row[:2],
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(rows=people, dates=st.booleans())
def test_what_is_written_is_read_again(tmp_path_factory, rows, dates):
    path = tmp_path_factory.mktemp("csv") / "walks.csv"
    who, when = [row[0] for row in rows], np.array([row[1] for row in rows], np.float64)
    where = np.array([row[2:] for row in rows])
    write_csv(path, who, when, where, dates)
    found = read_rows(path)
    again = [
        (found.names[i], t, *place)
        for i, t, place in zip(found.person, found.time, found.place.tolist(), strict=True)
    ]
    assert sorted(again) == sorted((name, float(t), x, y) for name, t, x, y in rows)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.lists(st.text(max_size=6), max_size=6), max_size=6).map(
            lambda rows: _as_csv([["user_id", "timestamp", "x", "y"], *rows])
        ),
    )
)
def test_no_bytes_make_another_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("csv") / "walks.csv"
    path.write_bytes(data)
    try:
        rows = read_rows(path)
    except SavedFileError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert np.isfinite(rows.place).all()
        assert np.isfinite(rows.time).all()


def _as_csv(rows):
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode(errors="replace")
