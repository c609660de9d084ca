"""Curves of trainings: what is drawn is what was learnt, and seeds are one curve with a band."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from als_engine.agents.curriculum.replay import LevelReplay
from als_engine.agents.curriculum.settings import ReplaySettings, RulesSettings
from als_engine.agents.curriculum.widening import Widening
from als_engine.agents.run_logs import Curve
from als_engine.agents.training import train_agent
from als_engine.agents.training_folder import COLUMNS, Job
from als_engine.cli.app import build_app
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.statistics import curve_band
from als_engine.reports import curves, figures
from als_engine.reports.curriculum_panels import TITLES
from als_engine.reports.curves import PANELS, grouped, write_curves
from als_engine.reports.figures import SUFFIXES

STEPS = range(0, 10_001, 500)


def made(folder, seed=0, agent="mappo", scenario="ALS/Tag-v0", config=None, until=10_000, **job):
    """A training's folder with a curve that rises to the seed plus 1."""
    folder.mkdir()
    settings = Job(
        scenario=scenario, agent=agent, steps=10_000, seed=seed, config=config or {}, **job
    )
    (folder / "training.json").write_text(settings.model_dump_json())
    curve = Curve(folder / "progress.csv", COLUMNS)
    for steps in STEPS:
        known = "nan" if steps < 1_000 else (seed + 1) * steps / 10_000
        success = "nan" if steps < 1_000 else steps / 10_000
        if steps <= until:
            curve.add([steps, steps / 100, steps // 50, known, success])
    return folder


@pytest.fixture
def seeds(tmp_path):
    return [made(tmp_path / f"run{seed}", seed, workers=seed + 1) for seed in range(3)]


def lines(groups):
    """For each panel its lines, as (width, x, y)."""
    figure = curves._figure(groups)
    return [
        [(line.get_linewidth(), *line.get_data()) for line in axes.get_lines()]
        for axes in figure.axes
    ]


def test_seeds_of_one_training_are_one_curve_with_its_interval(seeds):
    (group,) = grouped(seeds)
    assert (group.name, group.seeds) == ("mappo", 3)
    returns, success = lines([group])
    *thin, bold = returns
    points = group.curves["mean_return"]
    for (width, x, y), curve in zip(thin, points, strict=True):
        assert width < 1
        assert list(zip(x, y, strict=True)) == curve
    steps, band = curve_band(points, points=100)
    assert np.array_equal(bold[1], steps)
    assert np.array_equal(bold[2], band.value)
    assert np.allclose(bold[2], 2.0 * steps / 10_000)
    axes = curves._figure([group]).axes[0]
    (area,) = axes.collections
    corners = area.get_paths()[0].vertices[:, 1]
    assert corners.min() == band.low.min()
    assert corners.max() == band.high.max()
    assert np.allclose(success[-1][2], steps / 10_000)


def test_what_a_training_was_told_tells_it_from_the_others(seeds, tmp_path):
    others = [
        made(tmp_path / "masked", config={"use_masks": True}),
        made(tmp_path / "ppo", agent="ppo"),
        made(tmp_path / "far", scenario="ALS/Delivery-v0", until=4_000),
    ]
    groups = grouped([*others, *seeds, seeds[0]])  # One that is named twice counts once.
    assert [(group.scenario, group.name, group.seeds) for group in groups] == [
        ("ALS/Tag-v0", "mappo, use_masks=true", 1),
        ("ALS/Tag-v0", "ppo", 1),
        ("ALS/Delivery-v0", "mappo", 1),
        ("ALS/Tag-v0", "mappo", 3),
    ]
    figure = curves._figure(groups)
    assert len(figure.axes) == 4  # Two scenarios, return and success.
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "mappo, use_masks=true (1 seed)", "ppo (1 seed)", "mappo (1 to 3 seeds)",
    ]  # fmt: skip
    assert max(figure.axes[2].get_lines()[0].get_xdata()) == 4_000


def test_what_a_curriculum_has_done_is_drawn_beside_the_curves(tmp_path):
    plain = made(tmp_path / "plain")
    replayed = made(tmp_path / "replayed", curriculum=ReplaySettings())
    widened = made(tmp_path / "widened", curriculum=RulesSettings(stages=[{"side": 9.0}]))
    log = Curve(replayed / "curriculum.csv", ("steps", *LevelReplay.columns))
    for line in ([1_000, 20, 0, 9, 0.5], [2_000, 40, 5, 12, 0.5], [3_000, 50, 10, 15, 0.5]):
        log.add(line)
    (replayed / "levels.csv").write_text(
        "level,drawn,last_draw,score\r\n4,3,50,0.25\r\n7,1,2,\r\n9,8,49,0.75\r\n"
    )
    log = Curve(widened / "curriculum.csv", ("steps", *Widening.columns))
    for line in ([1_000, 1, 0.5, 1], [2_000, 1, 0.75, 2], [3_000, 2, 0.0, 2]):
        log.add(line)
    groups = grouped([plain, replayed, widened])
    names = [group.name for group in groups]
    assert names[:2] == ["mappo, curriculum=none", "mappo, curriculum=plr"]
    assert names[2].startswith("mappo, curriculum=rules ")
    axes = curves._figure(groups).axes
    assert [each.get_title(loc="left") for each in axes] == [*PANELS.values(), *TITLES.values()]
    _, _, stages, replays, levels = axes
    ((x, y),) = (line.get_data() for line in stages.get_lines())
    assert (list(x), list(y)) == ([0, 1_000, 2_000, 3_000], [1, 1, 2, 2])
    ((x, y),) = (line.get_data() for line in replays.get_lines())
    assert (list(x), list(y)) == ([1_000, 2_000, 3_000], [0.0, 0.25, 0.5])
    (dots,) = levels.collections
    assert dots.get_offsets().tolist() == [[0.25, 3.0], [0.75, 8.0]]
    assert len(curves._figure(grouped([plain])).axes) == 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_curves_are_the_same_file(seeds, tmp_path, suffix):
    one, two = (tmp_path / f"{name}{suffix}" for name in ("one", "two"))
    for path in (one, two):
        write_curves(grouped(seeds), path)
    assert one.read_bytes() == two.read_bytes()
    if suffix == ".svg":
        assert ElementTree.parse(one).getroot().tag.endswith("svg")
    else:
        with Image.open(one) as picture:
            assert picture.width >= 1_500


def test_nothing_of_it_is_left_in_matplotlib(seeds, tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    write_curves(grouped(seeds), tmp_path / "one.svg")
    assert dict(matplotlib.rcParams) == before


def test_the_command_draws_what_a_training_has_learnt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = {"max_episode_steps": 20, "sensors": ["proprioception", "entities"]}
    job = {"steps": 600, "worlds": 4, "arguments": arguments}
    for seed in range(2):
        train_agent("ALS/Tag-v0", "q-learning", folder=f"run{seed}", seed=seed, **job)
    done = CliRunner().invoke(build_app(), ["curves", "run0", "run1"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "Wrote curves.svg" in done.output
    assert (tmp_path / "curves.svg").stat().st_size > 5_000


def test_what_cannot_be_drawn_is_one_line(seeds, tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match=r'ends in \.svg or \.png, got "curves\.gif"'):
        write_curves(grouped(seeds), tmp_path / "curves.gif")
    with pytest.raises(SavedFileError, match=r"there is no training in .*nowhere"):
        grouped([tmp_path / "nowhere"])
    with pytest.raises(SavedFileError, match="no learning curve yet"):
        grouped([made(tmp_path / "young", until=500)])
    damaged = made(tmp_path / "damaged")
    (damaged / "progress.csv").write_text("steps,mean_return\nabc,1\n5,much\n")
    with pytest.raises(SavedFileError, match="no learning curve yet"):
        grouped([damaged])
    monkeypatch.setattr(figures, "find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match=r'pip install "als-engine\[plots\]"'):
        write_curves(grouped(seeds), tmp_path / "curves.svg")
