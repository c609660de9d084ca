"""Disturbed observations lie in their space, and change nothing but what is seen."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from hypothesis import given
from hypothesis import strategies as st
from learn_worlds import ID, learn

from als_engine import Rows
from als_engine.agents.disturbance import DisturbedRows, SensorNoise
from als_engine.agents.training import Disturb, read_job, resume_training, train_agent
from als_engine.cli.train import check_same
from als_engine.errors import ArgumentError

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SPACES = gymnasium.spaces.Dict(
    {
        "numbers": Box(np.float32([-1, 0, -5]), np.float32([1, 20, 5])),
        "free": Box(-np.inf, np.inf, (2,), np.float32),
        "picture": Box(0, 255, (8, 8, 3), np.uint8),
        "kinds": Box(0, 7, (8, 8, 1), np.uint8),
        "words": Box(0, 1023, (16,), np.int16),
        "things": Box(np.tile(np.float32([0, -1]), (4, 1)), np.ones((4, 2), np.float32)),
    }
)


def sights(rng, rows):
    found = {}
    for key, box in SPACES.items():
        low, high = (np.clip(end.astype(float), -9, 300) for end in (box.low, box.high))
        drawn = rng.uniform(low, high, (rows, *box.shape))
        found[key] = np.rint(drawn).astype(box.dtype) if key != "numbers" else drawn.astype("f4")
    found["things"][:, 2:] = 0.0
    return found


@given(strength=st.floats(0.001, 5.0), seed=st.integers(0, 1000))
def test_noise_stays_in_the_space_and_leaves_words_and_kinds_alone(strength, seed):
    rng = np.random.default_rng(seed)
    true = sights(rng, 3)
    before = {key: array.copy() for key, array in true.items()}
    seen = SensorNoise(SPACES, strength).add(true, lambda shape: rng.standard_normal(shape, "f4"))
    for row in range(3):
        assert SPACES.contains({key: array[row] for key, array in seen.items()})
    for key, array in true.items():
        assert np.array_equal(array, before[key])
    for key in ("words", "kinds"):
        assert np.array_equal(seen[key], true[key])
    assert np.array_equal(seen["things"][..., 0], true["things"][..., 0])
    assert not seen["things"][:, 2:].any()
    assert not np.array_equal(seen["free"], true["free"])


def test_noise_is_as_wide_as_it_says():
    rng = np.random.default_rng(0)
    middle = np.tile(np.float32([0, 10, 0]), (4000, 1))
    true = {"numbers": middle, "free": np.zeros((4000, 2), np.float32)}
    seen = SensorNoise(SPACES, 0.1).add(true, lambda shape: rng.standard_normal(shape, "f4"))
    assert np.std(seen["numbers"], axis=0) == pytest.approx([0.2, 2.0, 1.0], rel=0.05)
    assert np.std(seen["free"]) == pytest.approx(0.1, rel=0.05)


def rows_of(**settings):
    rows = Rows(ID, 3, sensors=["proprioception", "touch"], action_mode="discrete")
    return DisturbedRows(rows, Disturb(**settings), 5) if settings else rows


def test_only_what_is_seen_is_disturbed():
    plain, noisy = rows_of(), rows_of(noise=0.1, drop=0.3)
    rng = np.random.default_rng(0)
    try:
        for rows in (plain, noisy):
            rows.seed(1)
            rows.reset()
        again = 0
        for _ in range(90):
            before = noisy.observations["proprioception"]
            actions = rng.integers(noisy.action_space.n, size=3)
            plain.step(actions)
            noisy.step(actions)
            assert np.array_equal(plain.rewards, noisy.rewards)
            assert np.array_equal(plain.ended, noisy.ended)
            seen = noisy.observations["proprioception"]
            assert not np.array_equal(seen, plain.observations["proprioception"])
            assert np.array_equal(seen, noisy.observations["proprioception"])
            kept = np.all(seen == before, axis=1)
            assert not (kept & noisy.ended).any()
            again += int(kept.sum())
            if noisy.ended.any():
                last = noisy.final_observations["proprioception"][noisy.ended]
                true = plain.final_observations["proprioception"][noisy.ended]
                assert last.shape == true.shape
                assert not np.array_equal(last, true)
        assert again / (90 * 3) == pytest.approx(0.3, abs=0.1)
        assert noisy.recent.episodes > 0
    finally:
        plain.close()
        noisy.close()


def test_nothing_to_disturb_leaves_the_observations_as_they_are():
    plain, same = rows_of(), rows_of(noise=0.0)
    try:
        for rows in (plain, same):
            rows.seed(1)
            rows.reset()
        for _ in range(45):
            plain.step(np.full(3, 2))
            same.step(np.full(3, 2))
            for key, array in plain.observations.items():
                assert np.array_equal(array, same.observations[key])
    finally:
        plain.close()
        same.close()


def trained(folder=None, steps=512, **settings):
    job = {"worlds": 4, "checkpoint_every": 256}
    job["arguments"] = {"sensors": ["proprioception", "entities"]}
    disturb = Disturb(**settings) if settings else None
    return train_agent(ID, "q-learning", steps=steps, folder=folder, disturb=disturb, **job)


def weights(trained, folder):
    folder.mkdir()
    trained.agent.save_weights(folder)
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_a_training_on_noise_is_the_same_again_and_another_one_than_without(tmp_path):
    one, two, plain = (
        weights(trained(**settings), tmp_path / name)
        for name, settings in (("1", {"noise": 0.3}), ("2", {"noise": 0.3}), ("3", {}))
    )
    assert one == two
    assert one != plain


def test_it_goes_on_as_it_was_begun(tmp_path):
    run = tmp_path / "run"
    trained(run, noise=0.2, drop=0.1)
    job = read_job(run)
    assert job.disturb == Disturb(noise=0.2, drop=0.1)
    assert resume_training(run, steps=768).progress.steps >= 768
    check_same(run, job.model_dump(), {"disturb": {"noise": 0.2}})
    with pytest.raises(ArgumentError, match="--resume cannot change"):
        check_same(run, job.model_dump(), {"disturb": {"noise": 0.3}})
