"""Makers of scans: what they learn from, that seeds decide, safe files, what is measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from als_command import als
from sklearn.metrics import roc_auc_score

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.system.safe_files import read_bytes, unpack_tensors
from als_plugins.making.examples import Examples
from als_plugins.making.makers import (
    KINDS,
    MakerRecord,
    load_maker,
    make_maker,
    save_maker,
    turned,
)
from als_plugins.making.scans import PIXELS, few_scans, most_labels, scans_of
from als_plugins.making.scoring import classified, copied, frechet

TWO = np.array([0, 1, 1])


@pytest.fixture(scope="module", params=KINDS)
def trained(request: pytest.FixtureRequest):
    """A maker that has learnt next to nothing."""
    maker = make_maker(request.param)
    maker.train(few_scans(2, 0), 3, 0, batch=4)
    return request.param, maker


def test_few_scans_are_of_different_training_patients_half_of_them_ill() -> None:
    few, every = few_scans(7, 1), scans_of("train")
    assert few.values.shape == (14, 1, PIXELS, PIXELS)
    assert few.labels.tolist() == [0] * 7 + [1] * 7
    flat = every.values.reshape(len(every.labels), -1)
    places = [int((flat == one.ravel()).all(1).argmax()) for one in few.values]
    scanners = 4
    assert len({place // scanners for place in places}) == 14
    assert (every.labels[places] == few.labels).all()
    assert np.array_equal(few_scans(7, 1).values, few.values)
    assert not np.array_equal(few_scans(7, 2).values, few.values)
    for wrong in (0, most_labels() + 1):
        with pytest.raises(ArgumentError, match="labels must be from 1 to"):
            few_scans(wrong, 0)


def test_pictures_depend_on_the_seeds_alone(trained) -> None:
    kind, maker = trained
    again = make_maker(kind)
    state = torch.get_rng_state()
    again.train(few_scans(2, 0), 3, 0, batch=4)
    assert torch.equal(torch.get_rng_state(), state), "torch's own generator is left alone"
    made = maker.make(TWO, 5)
    assert made.shape == (3, 1, PIXELS, PIXELS)
    assert np.abs(made).max() <= 1.0
    assert np.array_equal(again.make(TWO, 5), made)
    assert not np.array_equal(maker.make(TWO, 6), made)


def test_a_saved_maker_makes_the_same_pictures(trained, tmp_path: Path) -> None:
    kind, maker = trained
    record = MakerRecord(kind=kind, labels=2, steps=3, seed=0)
    save_maker(maker, record, tmp_path / "made")
    loaded, found = load_maker(tmp_path / "made")
    assert found == record
    assert np.array_equal(loaded.make(TWO, 5), maker.make(TWO, 5))
    text = json.loads((tmp_path / "made" / "maker.json").read_text())
    text["kind"] = "magic"
    (tmp_path / "made" / "maker.json").write_text(json.dumps(text))
    with pytest.raises(SavedFileError, match=r"maker\.json: kind"):
        load_maker(tmp_path / "made")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(SavedFileError, match="holds other files"):
        save_maker(maker, record, tmp_path / "other")


def test_a_diffusion_learns_what_is_dark_and_what_is_light() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 16)
    level = np.where(labels == 0, -0.6, 0.6)[:, None, None, None]
    pictures = (level + 0.1 * rng.standard_normal((32, 1, PIXELS, PIXELS))).astype(np.float32)
    maker = make_maker("diffusion")
    maker.train(Examples(pictures, labels), 60, 0, batch=16)
    dark, light = maker.make(np.array([0, 0, 1, 1]), 0).mean((1, 2, 3)).reshape(2, 2).mean(1)
    assert dark < light - 0.3


def test_turning_and_mirroring_keeps_every_picture_whole() -> None:
    picture = torch.arange(PIXELS * PIXELS, dtype=torch.float32).view(1, 1, PIXELS, PIXELS)
    found = turned(picture.repeat(64, 1, 1, 1), np.random.default_rng(0))
    assert len(torch.unique(found.flatten(1), dim=0)) == 8
    assert torch.equal(found.flatten(1).sort(1).values, picture.flatten(1).repeat(64, 1))


def test_distances_know_what_is_alike_and_what_is_a_copy() -> None:
    train, other = scans_of("train"), scans_of("validation")
    few = few_scans(10, 0)
    rng = np.random.default_rng(0)
    noise = Examples(rng.uniform(-1, 1, other.values.shape).astype(np.float32), other.labels)
    assert frechet(other, other, train) == pytest.approx(0.0, abs=1e-3)
    assert frechet(train, other, train) < 0.5 * frechet(noise, other, train)
    turned_copies = Examples(np.rot90(few.values, 1, (2, 3)).copy(), few.labels)
    assert copied(turned_copies, few, other) < 0.01
    assert copied(other, few, other) == pytest.approx(1.0)


def test_a_classifier_tells_scans_of_other_patients_apart() -> None:
    train, other = few_scans(60, 0), scans_of("validation")
    likely = classified([train], other, 0, steps=80)
    assert roc_auc_score(other.labels, likely) > 0.8
    assert np.array_equal(classified([train], other, 0, steps=80), likely)


def test_the_command_writes_scans_and_a_sheet(tmp_path: Path) -> None:
    out = tmp_path / "made"
    words = ["make", "scans", "--labels", 2, "--count", 3, "--steps", 2, "--out", out]
    run = als(*words, "--json")
    assert run.code == 0, run.err
    found = json.loads(run.out)
    assert (found["made"], found["labels"]) == (6, 2)
    arrays = unpack_tensors(read_bytes(out / "scans.safetensors", 1 << 20), out)
    assert arrays["pictures"].dtype == np.uint8
    assert arrays["labels"].tolist() == [0] * 3 + [1] * 3
    assert (out / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert "towards 0 they are copies" in als(*words).out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--kind", "magic"], 'unknown kind "magic"'),
        (["--labels", "9999"], "labels must be from 1"),
    ],
)
def test_what_cannot_be_made_is_one_line(tmp_path: Path, words: list[str], says: str) -> None:
    run = als("make", "scans", *words, "--out", tmp_path / "made")
    assert (run.code, len(run.err.splitlines())) == (2, 1)
    assert says in run.err
    assert not (tmp_path / "made").exists()
