"""Sounds of places: recordings, a baseline that knows each band by itself, files to listen to."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import numpy as np
import pytest
from als_command import als

from als_engine.sensors.audio import BAND_CENTERS
from als_engine.system.safe_files import read_bytes, unpack_tensors
from als_plugins.making import sounds
from als_plugins.making.examples import Examples
from als_plugins.making.sounds import (
    PLACES,
    STEPS,
    SoundMaker,
    SoundsRecord,
    like,
    recordings,
    wav,
)


@pytest.fixture(scope="module", autouse=True)
def short():
    """One recording of each level in place of three: every step of four scenarios costs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sounds, "_EACH", 1)
        yield


def test_recordings_are_of_every_place_and_of_other_levels_in_other_splits() -> None:
    heard = recordings("train", 1)
    assert heard.values.shape == (len(PLACES), 8, STEPS)
    assert heard.labels.tolist() == [*range(len(PLACES))]
    assert 0.0 <= heard.values.min() < 0.05 < heard.values.max() <= 1.0
    assert (heard.values.std(2).max(1) > 0.01).all(), "something changes everywhere"


def test_the_baseline_has_the_level_the_spread_and_the_memory_of_each_band() -> None:
    rng = np.random.default_rng(0)
    walk = 0.05 * np.cumsum(rng.standard_normal((200, 8, STEPS)), axis=-1)
    learnt = Examples((0.2 * walk + 0.5).clip(0, 1).astype(np.float32), np.zeros(200, np.int64))
    found = like(learnt, learnt.labels, 0).values
    assert found.mean() == pytest.approx(learnt.values.mean(), abs=0.03)
    assert found.std() == pytest.approx(learnt.values.std(), rel=0.1)
    assert np.corrcoef(found[:, 0, 1:].ravel(), found[:, 0, :-1].ravel())[0, 1] > 0.9
    assert abs(np.corrcoef(found[:, 0, 9], found[:, 1, 9])[0, 1]) < 0.25, "bands know no other"
    assert np.array_equal(like(learnt, learnt.labels, 0).values, found)


@pytest.mark.parametrize("band", [2, 7])
def test_a_wav_file_sounds_in_its_band_when_the_band_does(band: int) -> None:
    bands = np.zeros((30, 8), np.float32)
    bands[15:, band] = 0.5
    data = wav(bands, 0)
    assert data == wav(bands, 0)
    with wave.open(io.BytesIO(data)) as file:
        rate, samples = file.getframerate(), np.frombuffer(file.readframes(10**6), "<i2")
    assert len(samples) == 2 * rate
    sound = samples.astype(np.float64)
    assert np.abs(sound[: rate * 9 // 10]).max() < 0.02 * np.abs(sound).max()
    power = np.abs(np.fft.rfft(sound[rate:])) ** 2
    middle = (np.arange(len(power)) * power).sum() / power.sum()
    assert BAND_CENTERS[band] / 1.5 < middle < BAND_CENTERS[band] * 1.5


@pytest.mark.parametrize("kind", ["gru", "bigram"])
def test_a_maker_learns_what_stays_and_what_follows(kind: str) -> None:
    """At one place two spectra take turns, at the others a third one stays."""
    turns = np.tile([0, 1], STEPS // 2)
    three = np.array([[0.1] * 8, [0.5] * 8, [0.9] * 8], np.float32)
    values = np.stack([three[turns].T] * 6 + [three[np.full(STEPS, 2)].T] * 3)
    learnt = Examples(values, np.array([0] * 6 + [1, 2, 3]))
    maker = SoundMaker(kind)
    maker.learn(learnt, 0, steps=50, batch=6)
    assert [len(spectra) for spectra in maker.spectra] == [2, 1, 1, 1]
    made = maker.make(np.array([0, 3]), 1)
    assert made.values.shape == (2, 8, STEPS)
    assert np.array_equal(maker.make(np.array([0, 3]), 1).values, made.values)
    assert (np.abs(np.diff(made.values[0, 0])) > 0.1).mean() > 0.6
    assert np.allclose(made.values[1], 0.9)


def test_the_command_writes_bands_and_files_to_listen_to(tmp_path: Path) -> None:
    out = tmp_path / "made"
    run = als("make", "sounds", "--levels", 1, "--count", 1, "--steps", 1, "--out", out, "--json")
    assert run.code == 0, run.err
    assert json.loads(run.out)["made"] == len(PLACES)
    arrays = unpack_tensors(read_bytes(out / "sounds.safetensors", 1 << 20), out)
    assert arrays["bands"].shape == (len(PLACES), STEPS, 8)
    assert {path.stem for path in out.glob("*.wav")} == {place.name for place in PLACES}
    record = SoundsRecord.model_validate_json((out / "sounds.json").read_bytes())
    assert (record.levels, record.places[1]) == (1, "meeting")
