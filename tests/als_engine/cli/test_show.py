"""`als show` says everything about a scenario and writes a picture of it."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from als_command import als
from PIL import Image

from als_engine.plugins.registry import registry
from als_engine.simulation import ARGUMENTS

IDS = [spec.id for spec in registry.scenarios()]


@pytest.mark.parametrize("id", IDS)
def test_it_names_every_argument_and_sensor_and_writes_a_picture(id: str, tmp_path: Path) -> None:
    path = tmp_path / "world.png"
    result = als("show", id, "--picture", path)
    assert (result.code, result.err) == (0, "")
    task = registry.load(registry.scenario(id))
    for name in (*ARGUMENTS, *inspect.signature(task).parameters, *task.default_sensors):
        assert name in result.out
    picture = np.asarray(Image.open(path))
    assert picture.shape == (480, 640, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    assert [file.name for file in tmp_path.iterdir()] == ["world.png"]


def test_the_same_level_gives_the_same_picture_and_another_another(tmp_path: Path) -> None:
    a, b, c = (tmp_path / f"{name}.png" for name in "abc")
    for path, level in ((a, 3), (b, 3), (c, 4)):
        assert als("show", IDS[0], "--level", level, "--picture", path).code == 0
    assert a.read_bytes() == b.read_bytes()
    assert a.read_bytes() != c.read_bytes()


def test_without_a_name_the_picture_goes_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = als("show", "ALS/Tag-v0", "--arg", "num_avatars=4")
    assert "Wrote Tag-v0.png" in result.out
    assert "chaser_1, evader_0, evader_1" in result.out
    assert (tmp_path / "Tag-v0.png").is_file()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["ALS/Tga-v0"], 'unknown scenario "ALS/Tga-v0"; did you mean "ALS/Tag-v0"?'),
        (["ALS/Tag-v0", "--arg", "num_avatar=2"], 'did you mean "num_avatars"?'),
        (["ALS/Tag-v0", "--arg", "num_avatars"], '--arg takes key=value, got "num_avatars"'),
        (
            ["ALS/Tag-v0", "--arg", "num_avatars=99"],
            "num_avatars must be a whole number from 2 to 8, got 99",
        ),
        (["ALS/Tag-v0", "--arg", "role=a", "--arg", "role=b"], '"role" is given twice'),
        (["ALS/Tag-v0", "--level", "-1"], "--level"),
        (["ALS/Tag-v0", "--level", "30000"], "level must be a whole number from 0 to 29999, got"),
        (["ALS/Tag-v0", "--picture", "world.tiff"], "a picture ends in .png, .jpg or .webp"),
        (["ALS/Tag-v0", "--picture", "/dev/null/x.png"], 'cannot write "/dev/null/x.png"'),
    ],
)
def test_a_mistake_is_one_line(words: list[str], line: str) -> None:
    result = als("show", *words)
    assert result.code == 2
    assert result.err.startswith("Error: ")
    assert line in result.err
    assert result.err.count("\n") == 1
