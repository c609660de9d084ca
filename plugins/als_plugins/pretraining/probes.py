"""Linear probes: how well does a linear model predict the true state from features?

A probe is trained on the train part and judged on the test part, on features of the pretrained
encoder, on those of one with random weights, and on the observations themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.seeding import spread
from als_plugins.encoders.base import Encoder
from als_plugins.encoders.stems import Form, form_of
from als_plugins.pretraining.batches import clip_of
from als_plugins.pretraining.group import Group

if TYPE_CHECKING:
    from als_plugins.experience.dataset import Experience, Window

__all__ = ["Inputs", "probe"]

TRAINED_ON: Final = 2_000
JUDGED_ON: Final = 1_000
FEWEST: Final = 20
COARSE: Final = 16  # cells to a side that a raw picture is averaged to
CHUNK: Final = 128
STRENGTHS: Final = tuple(10.0**power for power in range(-1, 6))  # of ridge regression

Inputs = Callable[["Window"], NDArray[np.float32]]
Rows = NDArray[np.float64]


@dataclass(frozen=True)
class _Sample:
    """Inputs by name and labels by name, of some moments of a part."""

    inputs: dict[str, NDArray[np.float32]]
    labels: dict[str, NDArray[Any]]


def probe(
    experience: Experience, encoders: Mapping[str, Encoder], device: torch.device, seed: int = 0
) -> dict[str, dict[str, float | int | None]]:
    """Trains and judges probes of all labels.

    Args:
        experience: with train and test parts.
        encoders: by name; "observation" stands for none and is added.
        device: of the encoders.
        seed: of which moments are taken.

    Returns:
        Label to: R2 (`nearest_prop`) or accuracy (`speaker`, `sign_number`) for each encoder and
        the observation; for accuracies what always saying the most frequent class reaches,
        `majority`; and `moments`, on how many of the test part that is. A label that is there too
        seldom, or is always the same, is left out.
    """
    inputs: dict[str, Inputs] = {
        name: _features(encoder, device) for name, encoder in encoders.items()
    }
    inputs["observation"] = _raw(experience)
    train = _sample(experience, "train", TRAINED_ON, inputs, seed)
    test = _sample(experience, "test", JUDGED_ON, inputs, seed)
    if train is None or test is None:
        return {}
    found = {}
    for label, judge in (
        ("nearest_prop", _judge_place),
        ("speaker", _judge_speaker),
        ("sign_number", _judge_number),
    ):
        if label in train.labels and (result := judge(train, test, label)) is not None:
            found[label] = result
    return found


def _judge_place(train: _Sample, test: _Sample, label: str) -> dict[str, Any] | None:
    """R2 of where the nearest prop is, the mean over both directions."""
    from sklearn.linear_model import RidgeCV

    here, there = (np.isfinite(s.labels[label]).all(1) for s in (train, test))
    if min(here.sum(), there.sum()) < FEWEST or train.labels[label][here].std(0).min() == 0:
        return None
    found: dict[str, Any] = {}
    for name in train.inputs:
        x, y = _scaled(train.inputs[name][here], test.inputs[name][there])
        model = RidgeCV(STRENGTHS).fit(x, train.labels[label][here])
        found[name] = round(float(model.score(y, test.labels[label][there])), 4)
    return {**found, "moments": int(there.sum())}


def _judge_speaker(train: _Sample, test: _Sample, label: str) -> dict[str, Any] | None:
    """Accuracy of who speaks; nobody is an answer as well."""
    every = [np.ones(len(s.labels[label]), bool) for s in (train, test)]
    return _judge_class(train, test, label, every[0], every[1])


def _judge_number(train: _Sample, test: _Sample, label: str) -> dict[str, Any] | None:
    """Accuracy of the number on the sign, where there is one in sight."""
    return _judge_class(train, test, label, train.labels[label] >= 0, test.labels[label] >= 0)


def _judge_class(
    train: _Sample, test: _Sample, label: str, here: NDArray[Any], there: NDArray[Any]
) -> dict[str, Any] | None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    wanted, true = train.labels[label][here], test.labels[label][there]
    classes, counts = np.unique(wanted, return_counts=True)
    if min(len(wanted), len(true)) < FEWEST or len(classes) < 2:
        return None
    found: dict[str, Any] = {}
    for name in train.inputs:
        x, y = _scaled(train.inputs[name][here], test.inputs[name][there])
        with warnings.catch_warnings():
            # A probe that has nearly converged judges as well as one that has.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=0.1, max_iter=200, tol=1e-3).fit(x, wanted)
        found[name] = round(float(model.score(y, true)), 4)
    majority = float((true == classes[counts.argmax()]).mean())
    return {**found, "majority": round(majority, 4), "moments": len(true)}


def _scaled(train: NDArray[Any], test: NDArray[Any]) -> tuple[Rows, Rows]:
    """Both standardised by the first; what far exceeds it is cut off."""
    mean, std = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    std = np.where(std > 1e-6, std, 1.0)
    one, two = (np.clip((x - mean) / std, -10, 10) for x in (train, test))
    return one, two


def _sample(
    experience: Experience, part: str, most: int, inputs: Mapping[str, Inputs], seed: int
) -> _Sample | None:
    windows = experience.part(part).windows(1)
    if len(windows) < FEWEST:
        return None
    chosen = np.sort(
        np.random.default_rng(spread("probes", seed, most)).permutation(len(windows))[:most]
    )
    made: dict[str, list[Any]] = {name: [] for name in inputs}
    labels: dict[str, list[Any]] = {}
    for begin in range(0, len(chosen), CHUNK):
        window = windows.take(chosen[begin : begin + CHUNK])
        for name, make in inputs.items():
            made[name].append(make(window))
        for label, values in window.labels.items():
            labels.setdefault(label, []).append(values[:, 0])
    return _Sample(
        {name: np.concatenate(parts) for name, parts in made.items()},
        {name: np.concatenate(parts) for name, parts in labels.items()},
    )


def _features(encoder: Encoder, device: torch.device) -> Inputs:
    def make(window: Window) -> NDArray[np.float32]:
        with torch.no_grad():
            features: NDArray[np.float32] = (
                encoder(clip_of(window, 0, Group(), device).at(0)).float().cpu().numpy()
            )
        return features

    return make


def _raw(experience: Experience) -> Inputs:
    """Observations as plain numbers: pictures averaged to 16 x 16, texts as counts of words."""
    spaces = experience.observation_space.spaces

    def make(window: Window) -> NDArray[np.float32]:
        parts = []
        for key, values in window.observation.items():
            now, space = values[:, 0], spaces[key]
            form = form_of(space)
            if form is Form.PICTURE:
                pixels = torch.from_numpy(np.ascontiguousarray(now)).float().movedim(-1, 1)
                now = torch.nn.functional.adaptive_avg_pool2d(pixels, COARSE).numpy()
            elif form is Form.WORDS:
                box: Any = space
                now = np.stack([np.bincount(r, minlength=int(box.high.max()) + 1) for r in now])
                now[:, 0] = 0
            parts.append(now.reshape(len(now), -1).astype(np.float32))
        return np.concatenate(parts, axis=1)

    return make
