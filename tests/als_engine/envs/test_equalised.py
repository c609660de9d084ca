"""Learning for the worst served: what is added to rewards, by what rule, and how it is resumed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from als_command import als

from als_engine.agents.training import train_agent
from als_engine.agents.training_folder import Equalise
from als_engine.envs.equalised import STATE, EqualisedRows
from als_engine.envs.rows import Rows
from als_engine.errors import ArgumentError, SavedFileError

ID = "ALS/Tutor-v0"
SHORT = {
    "sensors": ["proprioception"], "max_episode_steps": 6, "num_avatars": 4,
    "action_mode": "discrete",
}  # fmt: skip


def played(rows: Rows, steps: int, seed: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rewards and who ended, step by step, with the same actions for the same worlds."""
    rng = np.random.default_rng(seed)
    rows.seed(seed)
    rows.reset()
    found = []
    for _ in range(steps):
        rows.step(rng.integers(rows.action_space.n, size=rows.num_rows))
        found.append((rows.rewards.copy(), rows.ended_worlds.copy()))
    return found


def wrapped(sharpness: float = 20.0, workers: int = 1, seed: int = 3):
    rows = Rows(ID, 4, observers=1, workers=workers, **SHORT)
    equalised = EqualisedRows(rows, Equalise(weight=2.0, sharpness=sharpness))
    steps = played(equalised, 13, seed)
    rows.close()
    return equalised, steps


@pytest.fixture(scope="module")
def one():
    return wrapped()


def test_rewards_differ_where_episodes_end_and_by_the_worst_groups_outcomes(one) -> None:
    plain = Rows(ID, 4, observers=1, **SHORT)
    means, met = np.zeros(len(plain.groups)), np.zeros(len(plain.groups), int)
    differs = 0
    rng = np.random.default_rng(3)
    plain.seed(3)
    plain.reset()
    for rewards, ended in one[1]:
        plain.step(rng.integers(plain.action_space.n, size=4))
        assert (plain.ended_worlds == ended).all()
        assert (rewards[~ended] == plain.rewards[~ended]).all()
        if not ended.any():
            continue
        people = plain.final_outcomes["people"][ended]
        sums = plain.final_outcomes["sums"][ended]
        assert (people.sum(1) == 3).all()
        shares = np.where(met > 0, np.exp(-20.0 * means), 0.0)
        weights = 2.0 * shares / max(shares.sum(), 1e-300)
        own = np.where(people > 0, sums / np.maximum(people, 1) - means, 0.0)
        assert rewards[ended] - plain.rewards[ended] == pytest.approx((own * weights).sum(1))
        differs += int((rewards[ended] != plain.rewards[ended]).sum())
        for group, new in enumerate(people.sum(0)):
            if new:
                met[group] += new
                apart = sums[:, group].sum() / new - means[group]
                means[group] += min(1.0, new / min(met[group], 50)) * apart
    assert differs
    assert one[0].means == pytest.approx(means)
    assert plain.recent.mean_return == one[0].recent.mean_return  # Reports are without it.
    plain.close()


def test_the_worst_group_counts_most_and_with_no_sharpness_all_alike(one) -> None:
    rows = one[0]
    met = rows.people > 0
    assert met.sum() > 1
    weights = rows.weights
    assert weights.sum() == pytest.approx(2.0)
    assert weights[met].argmax() == rows.means[met].argmin()
    assert not weights[~met].any()
    alike = EqualisedRows(rows.inner, Equalise(weight=2.0, sharpness=0.0))
    alike.people[:], alike.means[:] = rows.people, rows.means
    assert alike.weights[met] == pytest.approx(2.0 / met.sum())


def test_processes_give_the_same_bits(one) -> None:
    _, steps = wrapped(workers=2)
    for (rewards, ended), (others, other_ends) in zip(one[1], steps, strict=True):
        assert (rewards == others).all()
        assert (ended == other_ends).all()


def test_it_goes_on_where_it_was_and_refuses_other_groups(one, tmp_path: Path) -> None:
    one[0].save(tmp_path)
    other = EqualisedRows(one[0].inner, Equalise())
    other.load(tmp_path)
    assert (other.means == one[0].means).all()
    assert (other.people == one[0].people).all()
    (tmp_path / STATE).write_text('{"people": [1], "means": [0.5]}')
    with pytest.raises(SavedFileError, match="is of other groups"):
        other.load(tmp_path)


def test_a_training_keeps_what_it_knows_of_groups_in_its_checkpoints(tmp_path: Path) -> None:
    small = {"net_arch": [8], "batch_size": 32, "rollout": 64, "n_epochs": 1}
    train_agent(ID, "mappo", steps=64, folder=tmp_path / "run", worlds=4, arguments=SHORT,
                config=small, device="cpu", equalise=Equalise())  # fmt: skip

    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    assert sum(json.loads((newest / STATE).read_text())["people"])


def test_where_there_are_no_groups_it_says_so(tmp_path: Path) -> None:
    done = als("train", "ALS/Tag-v0", "--agent", "mappo", "--equalise", "weight=1", "--steps", 10,
               "--out", tmp_path / "run")  # fmt: skip
    assert done.code == 2
    assert "does not say what becomes of groups" in " ".join(done.err.split())
    with pytest.raises(ArgumentError, match="equalise"):
        train_agent(ID, "mappo", steps=10, self_play={}, equalise=Equalise())  # type: ignore[arg-type]
