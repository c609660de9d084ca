"""Videos keep their colours, their pace and their place on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from als_engine.errors import ArgumentError
from als_engine.render.video import Picture, write_video


def a_ball_rolls(count: int = 10, height: int = 60, width: int = 80) -> Iterator[Picture]:
    """A large grey floor with a small red ball on it."""
    for i in range(count):
        frame = np.full((height, width, 3), (120, 125, 130), np.uint8)
        frame += np.arange(width, dtype=np.uint8)[None, :, None] // 2
        frame[20:24, 5 + 3 * i : 9 + 3 * i] = (220, 20, 30)
        yield frame


def test_a_small_red_ball_stays_red(tmp_path: Path) -> None:
    write_video(tmp_path / "ball.gif", a_ball_rolls())
    with Image.open(tmp_path / "ball.gif") as video:
        for i in range(10):
            video.seek(i)
            red, green, blue = video.convert("RGB").getpixel((6 + 3 * i, 21))
            assert red > 200
            assert max(green, blue) < 60


def test_a_gif_plays_at_the_right_pace(tmp_path: Path) -> None:
    assert write_video(tmp_path / "ball.gif", a_ball_rolls(30), frames_per_second=15) == 30
    with Image.open(tmp_path / "ball.gif") as video:
        total = 0
        for i in range(video.n_frames):
            video.seek(i)
            total += video.info["duration"]
    assert total == 2_000  # 30 frames at 15 a second, in milliseconds


def test_what_stands_still_costs_little(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (120, 160, 3), np.uint8)
    write_video(tmp_path / "one.gif", [noise])
    write_video(tmp_path / "many.gif", [noise] * 100)
    assert (tmp_path / "many.gif").stat().st_size < 1.2 * (tmp_path / "one.gif").stat().st_size


def test_an_mp4_of_odd_size_loses_a_row_and_a_column(tmp_path: Path) -> None:
    write_video(tmp_path / "ball.mp4", a_ball_rolls(10, 61, 81))
    assert imageio.imread(tmp_path / "ball.mp4").shape == (10, 60, 80, 3)


@pytest.mark.parametrize("suffix", ["gif", "mp4"])
def test_a_failure_halfway_leaves_the_old_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"ball.{suffix}"
    write_video(path, a_ball_rolls())
    before = path.read_bytes()

    def breaks() -> Iterator[Picture]:
        yield from a_ball_rolls(5)
        raise RuntimeError("the world has ended")

    with pytest.raises(RuntimeError, match="the world has ended"):
        write_video(path, breaks())
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_no_frames_and_unknown_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="at least one frame"):
        write_video(tmp_path / "ball.gif", [])
    with pytest.raises(ArgumentError, match=r"ends in \.gif or \.mp4"):
        write_video(tmp_path / "ball.webm", a_ball_rolls())
