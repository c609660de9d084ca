"""`als play` films an agent, says how it went, and never leaves half a file."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from als_command import als
from learn_worlds import NO_EXPERT, learn  # noqa: F401
from PIL import Image

from als_engine.seeding import spread

pytestmark = pytest.mark.usefixtures("learn")

SHORT = ["--arg", "max_episode_steps=12"]


# Twelve steps each, and the last picture for a while longer.
PICTURES = 2 * (12 + 8)


def test_an_mp4_has_a_picture_for_every_step(tmp_path: Path) -> None:
    path = tmp_path / "tag.mp4"
    result = als("play", "ALS/Tag-v0", "--out", path, *SHORT, "--episodes", 2)
    assert (result.code, result.err) == (0, "")
    pictures = imageio.imread(path)
    assert pictures.shape == (PICTURES, 360, 480, 3)
    assert (pictures[0].astype(int) - pictures[19]).any()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_gif_lasts_as_long_as_the_episodes(tmp_path: Path) -> None:
    path = tmp_path / "tag.gif"
    assert als("play", "ALS/Tag-v0", "--out", path, *SHORT, "--episodes", 2).code == 0
    with Image.open(path) as video:
        # Equal pictures one after the other are one that is shown for longer.
        assert video.n_frames >= 2 * 12
        total = sum(_duration(video, i) for i in range(video.n_frames))
    assert total == pytest.approx(1_000 * PICTURES / 15, abs=10)


def _duration(video: Image.Image, frame: int) -> int:
    video.seek(frame)
    return int(video.info["duration"])


def test_it_prints_each_episodes_level_steps_and_return(tmp_path: Path) -> None:
    words = ["play", "ALS/Tag-v0", "--agent", "expert", "--seed", 5, "--out", tmp_path / "a.gif"]
    result = als(*words, *SHORT)
    reset_with = str(spread("playing", 5, 0))
    lines = [line.split() for line in result.out.splitlines()]
    _, level, steps, _, success = next(row for row in lines if row[:1] == [reset_with])
    assert (steps, success) == ("12", "no")
    assert 10_000 <= int(level) < 20_000
    again = als(*words, *SHORT)
    assert again.out == result.out


def test_an_expert_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    result = als("play", NO_EXPERT, "--agent", "expert", "--out", path, *SHORT)
    assert (result.code, result.err) == (2, f"Error: {NO_EXPERT}: Faulty has no expert\n")
    assert not path.exists()


def test_captions_lie_over_the_picture_and_can_be_left_out(tmp_path: Path) -> None:
    first = {}
    for shown in ("captions", "nothing"):
        path = tmp_path / f"{shown}.gif"
        assert als("play", "ALS/Tag-v0", "--show", shown, "--out", path, *SHORT).code == 0
        with Image.open(path) as video:
            first[shown] = np.asarray(video.convert("RGB")).astype(int)
    changed = np.abs(first["captions"] - first["nothing"]).max(axis=2) > 100
    assert changed[:40].mean() > 0.05
    assert not changed[60:300].any()


def test_the_views_show_different_things(tmp_path: Path) -> None:
    first = {}
    for view in ("third", "first", "both"):
        path = tmp_path / f"{view}.gif"
        assert als("play", "ALS/Tag-v0", "--view", view, "--out", path, *SHORT).code == 0
        with Image.open(path) as video:
            first[view] = np.asarray(video.convert("RGB")).astype(int)
    difference = np.abs(first["third"] - first["both"]).max(axis=2) > 40
    # The inset is in the lower right corner; the rest is the picture from outside.
    assert difference[250:, 330:].mean() > 0.5
    assert difference[:250].mean() < 0.01
    assert (np.abs(first["third"] - first["first"]).max(axis=2) > 40).mean() > 0.5


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--out", "x.avi"], '"x.avi": a video ends in .gif or .mp4'),
        (["--out", "/dev/null/x.gif"], 'cannot write "/dev/null/x.gif"'),
        (["--out", "/dev/null/x.mp4"], 'cannot write "/dev/null/x.mp4"'),
        (["--agent", "exprt"], 'did you mean "expert"?'),
        (["--agent", "ppo"], "has to be trained first"),
        (["--view", "fourth"], 'unknown view "fourth"'),
        (["--split", "tset"], 'unknown split "tset"; did you mean "test"?'),
        (["--drive", "3"], "observers must be a whole number from 1 to 2, got 3"),
        (["--episodes", "0"], "--episodes"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(
    words: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = als("play", "ALS/Tag-v0", *words, *SHORT)
    assert result.code == 2
    assert line in result.err
    assert result.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_rays_and_rewards_are_shown_where_they_are_asked_for(tmp_path: Path) -> None:
    first = {}
    for shown in ("nothing", "rays,rewards"):
        path = tmp_path / f"{shown}.mp4"
        words = ["play", "ALS/Tag-v0", "--show", shown, "--out", path]
        words += ["--arg", "max_episode_steps=2", "--arg", "sensors=rgb,entities"]
        assert als(*words).code == 0
        first[shown] = imageio.imread(path)[2].astype(int)
    plain, both = first["nothing"], first["rays,rewards"]
    assert both.shape == (360, 660, 3)
    lines = np.abs(both[60:, :470] - plain[60:, :470]).max(axis=2) > 60
    assert 0.005 < lines.mean() < 0.2
    assert both[:, 490:].mean() < 80  # The panel is dark.


def test_what_cannot_be_shown_is_one_line(tmp_path: Path) -> None:
    result = als("play", "ALS/Tag-v0", "--show", "captions,ray", "--out", tmp_path / "a.gif")
    assert result.code == 2
    assert result.err.startswith("Error: ")
    assert 'did you mean "rays"?' in result.err
