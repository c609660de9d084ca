"""Measures whether episodes still tell who acted in them, before and after anonymising.

An attacker knows some episodes of each of N persons, with their names, and is shown others. It sums
each one up in a row of numbers and says whose it is: by the nearest known one, or by a logistic
regression. Each episode is shown to an attacker that has not known it (stratified folds).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError, SavedFileError
from als_engine.evaluation.statistics import Interval, mean_interval
from als_engine.seeding import spread
from als_plugins.experience import episodes as files
from als_plugins.experience.episodes import Episode
from als_plugins.experience.records import SourceRecord, data_file, read_dataset
from als_plugins.privacy.anonymise import cut_out, pieces
from als_plugins.privacy.rules import anonymous, keeps

__all__ = ["ATTACKERS", "Identified", "features", "identify"]

ATTACKERS: Final = ("nearest", "logistic")
FOLDS: Final = 5
MOST: Final = 20_000
"""Episodes, at most: the nearest one is looked for among all."""
DIRECTIONS: Final = 64
"""Directions in which rows differ most, in which attackers look."""
WIDEST: Final = 512
"""Numbers of a sensor in one step, at most; wider ones are averaged in blocks."""


@dataclass(frozen=True)
class Identified:
    """How often an attacker was right.

    Attributes:
        stage: "before" or "after" anonymising.
        attacker: one of `ATTACKERS`.
        right: the part of the episodes whose person was named, with its 95 percent interval.
        chance: the part that naming the most frequent person gets right.
        persons, episodes: how many.
    """

    stage: str
    attacker: str
    right: Interval
    chance: float
    persons: int
    episodes: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def identify(
    folder: Path,
    *,
    also: Collection[str] = (),
    cut: int | None = None,
    seed: int = 0,
    on_episode: Callable[[int, int], None] = lambda done, total: None,
) -> list[Identified]:
    """Attacks a dataset as it is, and as `anonymise` would leave it, which is not written.

    Persons are the pseudonyms in the episodes; where there are none, whoever a source says acted.

    Args:
        folder: of the dataset.
        also: sensors that would be kept as they are.
        cut: steps of the pieces that episodes would be cut into; None for none.
        seed: of the folds, and of what anonymising draws.
        on_episode: told how many of how many episodes have been read.

    Raises:
        SavedFileError: it is no dataset, or a damaged one.
        ArgumentError: there are fewer than two persons, or one of them has too few episodes.
    """
    sources = [each for each in read_dataset(folder).sources if each.episodes]
    total = sum(each.episodes for each in sources)
    if total > MOST:
        raise ArgumentError(f"{folder} has {total} episodes; at most {MOST} are attacked at once")
    rng = np.random.default_rng(spread("identifying", seed))
    rows: dict[str, list[NDArray[np.float64]]] = {"before": [], "after": []}
    persons: list[str] = []
    names: list[int] = []
    done = 0
    for source in sources:
        kept = keeps(source.observations, also)
        if not kept:
            raise ArgumentError(f"none of the sensors of {source.id} would stay")
        with files.episode_file(data_file(folder, source.id)) as file:
            for number in range(source.episodes):
                group = files.episode_group(file, number)
                person = _person(group, source)
                whole = files.read_episode(group, source)
                for piece in pieces(whole.steps, cut):
                    episode = cut_out(whole, *piece)
                    rows["before"].append(features(episode))
                    rows["after"].append(features(anonymous(episode, rng, also)))
                    persons.append(person)
                    names.append(done)
                done += 1
                on_episode(done, total)
    _check(folder, persons, names, rows)
    labels = np.unique(persons, return_inverse=True)[1]
    groups = np.array(names)
    chance = max(Counter(persons).values()) / len(persons)
    found = []
    for stage, table in rows.items():
        x = np.stack(table)
        for attacker in ATTACKERS:
            right = _attacked(x, labels, groups, attacker, seed)
            found.append(
                Identified(stage, attacker, _interval(right, groups), chance,
                           len(set(persons)), len(persons))
            )  # fmt: skip
    return found


def features(episode: Episode) -> NDArray[np.float64]:
    """An episode as a row of numbers: how each quantity is spread, changes, and what was done.

    Of every number of every sensor its mean, its deviation and how much it changes from step to
    step; of a table such as `entities` these are over its rows in order. Of actions how often each
    was chosen, and how often another one followed. The reward, and the length.
    """
    parts = []
    for key in sorted(episode.observations):
        values = episode.observations[key].astype(np.float64)
        flat = values.reshape(len(values), -1)
        if flat.shape[1] > WIDEST:
            width = -(-flat.shape[1] // WIDEST)
            padded = np.pad(flat, ((0, 0), (0, -flat.shape[1] % width)))
            flat = padded.reshape(len(flat), -1, width).mean(axis=2)
        parts += [flat.mean(axis=0), flat.std(axis=0), np.abs(np.diff(flat, axis=0)).mean(axis=0)]
    parts += [*_of_actions(episode.actions), np.array([episode.rewards.mean(), episode.steps])]
    row: NDArray[np.float64] = np.nan_to_num(np.concatenate(parts))
    return row


def _of_actions(actions: NDArray[Any]) -> list[NDArray[np.float64]]:
    columns = actions.reshape(len(actions), -1)
    found: list[NDArray[np.float64]] = []
    for column in columns.T:
        if column.dtype.kind in "iu":
            # By a fixed width, whatever was chosen here: rows have to have one length.
            found.append(np.bincount(np.clip(column, 0, 63), minlength=64) / len(column))
        else:
            found.append(np.array([column.mean(), column.std()], np.float64))
        changes = column[1:] != column[:-1]
        found.append(np.array([changes.mean() if len(changes) else 0.0]))
    return found


def _person(group: Any, source: SourceRecord) -> str:
    """Who acted: the pseudonym, or who the source says did."""
    named = files.read_word(group, "person")
    if named:
        return named
    return json.dumps(
        [files.read_word(group, "policy") or source.policy, source.agent, source.seed]
    )


def _check(
    folder: Path,
    persons: Sequence[str],
    names: Sequence[int],
    rows: dict[str, list[NDArray[np.float64]]],
) -> None:
    """Refuses what no attack can be measured on."""
    if not persons:
        raise SavedFileError(f"{folder} has no episodes: `als collect` adds some")
    each = Counter(dict(zip(names, persons, strict=True)).values())
    if len(each) < 2:
        raise ArgumentError(
            f"{folder} has episodes of one person alone: nobody is to be told apart"
        )
    fewest = min(each.values())
    if fewest < FOLDS:
        raise ArgumentError(
            f"each person needs {FOLDS} episodes to be attacked, and one in {folder} has {fewest}"
        )
    if len({len(row) for row in rows["before"]}) > 1:
        raise ArgumentError(
            f"the episodes in {folder} have different sensors or actions: attack them apart"
        )


def _attacked(
    x: NDArray[np.float64],
    labels: NDArray[np.intp],
    groups: NDArray[np.int64],
    attacker: str,
    seed: int,
) -> NDArray[np.float64]:
    """Which rows an attacker was right about, each when it had not known its episode, (rows,)."""
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    right = np.zeros(len(x))
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed % (1 << 32))
    for known, shown in folds.split(x, labels, groups):
        few = PCA(min(DIRECTIONS, len(known) // 2, x.shape[1]), random_state=0)
        if attacker == "nearest":
            # Near in what differs from person to person more than from episode to episode.
            apart = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
            models: list[Any] = [apart, KNeighborsClassifier(1)]
        else:
            models = [StandardScaler(), LogisticRegression(C=0.1, max_iter=300)]
        who = make_pipeline(StandardScaler(), few, *models).fit(x[known], labels[known])
        right[shown] = who.predict(x[shown]) == labels[shown]
    return right


def _interval(right: NDArray[np.float64], groups: NDArray[np.int64]) -> Interval:
    """The mean with an interval that resamples episodes, not pieces of one."""
    if len(np.unique(groups)) == len(right):
        return mean_interval(right)
    counts = np.bincount(groups)
    whole = np.bincount(groups, right) / np.maximum(counts, 1)
    return mean_interval(whole[counts > 0])
