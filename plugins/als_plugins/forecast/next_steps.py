"""What somebody does next: with the hand, with the voice, or where they go.

The answer is the first thing that happens within the horizon:

- `hand`: nothing, takes, or lays down.
- `utterance`: nothing, or the verb that is said.
- `goal`: nothing, or which of the eight nearest things they come within a metre of, of those that
  they are not at already.

Two baselines: what is most frequent in the train part, and what they did last, again; for goals the
thing that they would reach first if they went straight on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.errors import ArgumentError
from als_plugins.forecast.forecaster import Forecaster, ForecasterRecord
from als_plugins.forecast.tracks import Doing, Tracks
from als_plugins.forecast.windows import features, find_windows, frame_of, gather, nearest

__all__ = ["NextMeasured", "answers", "measure_next", "next_windows", "with_classes"]

NOTHING: Final = "nothing"
THINGS: Final = 8
REACH: Final = 1.0  # metres
_MOST: Final = 100_000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NextMeasured:
    """Answers to what people do next.

    Attributes:
        model, part, windows: as in `measures.Measured`.
        accuracy: how often the likeliest answer was right.
        whether: how well it tells beforehand whether anything happens: the area under the ROC
            curve, 0.5 by chance.
        which: where something happened, how often it knew what.
        log_loss: nats; None for who gives no probabilities.
    """

    model: str
    part: str
    windows: int
    accuracy: float
    whether: float
    which: float
    log_loss: float | None

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON has it."""
        return asdict(self)


def with_classes(record: ForecasterRecord, tracks: Tracks) -> ForecasterRecord:
    """The record with what can be next.

    Raises:
        ArgumentError: the tracks do not tell what people did, or they can say nothing.
    """
    _doing(tracks)
    if record.task == "utterance" and not tracks.record.verbs:
        raise ArgumentError(f"nobody can say anything in {tracks.record.scenario}")
    classes = {
        "hand": [NOTHING, "takes", "lays down"],
        "utterance": [NOTHING, *(verb or "(empty)" for verb in tracks.record.verbs)],
        "goal": [NOTHING, *(f"thing {i + 1}" for i in range(THINGS))],
    }[record.task]
    return record.model_copy(update={"classes": classes})


def _doing(tracks: Tracks) -> Doing:
    if tracks.doing is None:
        raise ArgumentError(
            "the tracks do not tell what people did: only those that `als forecast record` makes do"
        )
    return tracks.doing


def next_windows(record: ForecasterRecord, tracks: Tracks, part: str) -> Sequence[NDArray[Any]]:
    """The arguments of `NextNetwork.loss`, of all windows of a part."""
    chosen, windows = _windows(record, tracks, part)
    past, _ = gather(chosen, windows, record.history, 0, record.others)
    frame = frame_of(past.own)
    own, others = features(past, frame)
    scene, first, person = windows.T
    steps = first[:, None] + np.arange(record.history)
    did = _did(chosen)
    own = np.concatenate([own, did[scene[:, None], steps, person[:, None]]], axis=-1)
    kept = past.others.shape[1]
    if kept:
        near = nearest(chosen, scene, first + record.history - 1, person, kept)
        theirs = did[scene[:, None, None], steps[:, None], near[:, :, None]]
        others = np.concatenate([others, theirs * past.there[..., None]], axis=-1)
    else:
        others = np.zeros((*others.shape[:-1], own.shape[-1]), np.float32)
    # Where things are, in the person's frame.
    place, there, answer = answers(record, chosen, windows)
    away = frame.into(place)
    far = np.linalg.norm(away, axis=-1, keepdims=True)
    ahead = away[..., :1] / np.maximum(far, 1e-6)
    things = np.concatenate([away, far, ahead], axis=-1) * there[..., None]
    return [own, others, past.there, things.astype(np.float32), there, answer]


def _windows(
    record: ForecasterRecord, tracks: Tracks, part: str
) -> tuple[Tracks, NDArray[np.intp]]:
    chosen = tracks.of_part(part)
    stride = 2 if part == "train" else max(1, record.history // 2)
    windows = find_windows(chosen, record.history + record.horizon, stride)
    return chosen, windows[:: max(1, -(-len(windows) // _MOST))]


def _did(tracks: Tracks) -> NDArray[np.float32]:
    """(scenes, steps, people, 4): holds, has just taken or laid down, has spoken, and what."""
    doing = _doing(tracks)
    holds = doing.held >= 0
    changed = np.zeros_like(holds)
    changed[:, 1:] = doing.held[:, 1:] != doing.held[:, :-1]
    spoke = doing.said >= 0
    what = (doing.said + 1) / max(1, len(tracks.record.verbs))
    return np.stack([holds, changed, spoke, what], axis=-1).astype(np.float32)


def answers(
    record: ForecasterRecord, tracks: Tracks, windows: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], Ints]:
    """The nearest things of each window, and what happened first after it.

    Args:
        record: of the forecaster.
        tracks: what the windows are of.
        windows: (windows, 3).

    Returns:
        (windows, 8, 2) metres, (windows, 8) which of them are there, and (windows,) the class.
    """
    doing = _doing(tracks)
    scene, first, person = windows.T
    now = first + record.history - 1
    ahead = now[:, None] + np.arange(1, record.horizon + 1)
    place, there, which = _things(tracks, scene, now, person)
    at = scene[:, None], ahead, person[:, None]
    if record.task == "utterance":
        said = doing.said[at].astype(np.int64)
        return place, there, _first(said >= 0, said + 1)
    if record.task == "hand":
        held = np.concatenate([doing.held[scene, now, person][:, None], doing.held[at]], axis=1)
        kind = np.where(held[:, :-1] < 0, 1, 2)
        return place, there, _first(held[:, 1:] != held[:, :-1], kind)
    return place, there, _reached(tracks, windows, record, which, there, tracks.position[at])


def _things(
    tracks: Tracks, scene: Ints, now: Ints, person: Ints
) -> tuple[NDArray[np.float32], NDArray[np.bool_], Ints]:
    """Place, presence and index of the nearest things, (windows, 8, ...), the nearest first."""
    doing = _doing(tracks)
    count = doing.things.shape[2]
    own = tracks.position[scene, now, person]
    far = np.linalg.norm(doing.things[scene, now] - own[:, None], axis=-1)
    far = np.where(doing.things_present[scene, now], far, np.inf)
    which = np.argsort(far, axis=1, kind="stable")[:, :THINGS]
    place = np.zeros((len(scene), THINGS, 2), np.float32)
    there = np.zeros((len(scene), THINGS), np.bool_)
    some = min(count, THINGS)
    place[:, :some] = doing.things[scene[:, None], now[:, None], which]
    there[:, :some] = np.isfinite(np.take_along_axis(far, which, 1))
    return place, there, which


def _reached(
    tracks: Tracks,
    windows: NDArray[np.intp],
    record: ForecasterRecord,
    which: Ints,
    there: NDArray[np.bool_],
    way: NDArray[np.floating],
) -> Ints:
    """Which thing a way (windows, steps, 2) comes near first: 0 for none, 1 for the nearest, ..."""
    doing = _doing(tracks)
    scene, first, person = windows.T
    now, some = first + record.history - 1, which.shape[1]
    own = tracks.position[scene, now, person]
    begun = doing.things[scene[:, None], now[:, None], which]
    new = there[:, :some] & (np.linalg.norm(begun - own[:, None], axis=-1) > REACH)
    best, found = np.full(len(windows), record.horizon), np.zeros(len(windows), np.int64)
    for step in range(record.horizon):
        # Where things are by then; one that is gone by then was there to be reached before.
        place = doing.things[scene[:, None], (now + 1 + step)[:, None], which]
        near = new & (np.linalg.norm(place - way[:, step, None], axis=-1) <= REACH)
        fresh = near.any(axis=1) & (best == record.horizon)
        best[fresh], found[fresh] = step, near[fresh].argmax(axis=1) + 1
    return found


def _first(happens: NDArray[np.bool_], what: NDArray[Any]) -> Ints:
    """What is in the first step in which something happens; 0 where nothing does."""
    step = happens.argmax(axis=1)
    rows = np.arange(len(happens))
    return np.where(happens.any(axis=1), what[rows, step], 0).astype(np.int64)


# -- measuring ------------------------------------------------------------------------------------


def measure_next(forecaster: Forecaster, tracks: Tracks, part: str) -> list[NextMeasured]:
    """Measures a forecaster of what is next, after its baselines.

    Raises:
        ArgumentError: nobody in that part is there for long enough.
    """
    import torch
    from sklearn.metrics import roc_auc_score

    record = forecaster.record
    arrays = next_windows(record, tracks, part)
    answer: Ints = arrays[-1]
    if not len(answer):
        raise ArgumentError(f"nobody in the {part} part is there for long enough")
    assert forecaster.network is not None
    with torch.inference_mode():
        inputs = [torch.from_numpy(np.ascontiguousarray(each)) for each in arrays[:-1]]
        logits: torch.Tensor = forecaster.network(*inputs)
        chance = logits.double().softmax(dim=-1).numpy()
    learned = next_windows(record, tracks, "train")[-1]
    often = np.bincount(learned, minlength=chance.shape[1]) + 0.5
    usual = np.broadcast_to(often / often.sum(), chance.shape)

    def measured(model: str, sure: NDArray[np.floating], certain: bool = False) -> NextMeasured:
        happened = answer > 0
        whether = roc_auc_score(happened, 1 - sure[:, 0]) if 0 < happened.mean() < 1 else np.nan
        right = sure[:, 1:].argmax(axis=1) + 1 == answer
        right &= sure[:, 1:].any(axis=1)
        picked = np.maximum(sure[np.arange(len(answer)), answer], 1e-12)
        return NextMeasured(
            model=model,
            part=part,
            windows=len(answer),
            accuracy=float((sure.argmax(axis=1) == answer).mean()),
            whether=float(whether),
            which=float(right[happened].mean()) if happened.any() else np.nan,
            log_loss=None if certain else float(-np.log(picked).mean()),
        )

    chosen, windows = _windows(record, tracks, part)
    again = _AGAIN[record.task](record, chosen, windows)
    name = "straight-on" if record.task == "goal" else "last-again"
    return [
        measured("most-frequent", usual),
        measured(name, np.eye(chance.shape[1])[again], certain=True),
        measured(record.model, chance),
    ]


def _said_again(record: ForecasterRecord, tracks: Tracks, windows: NDArray[np.intp]) -> Ints:
    scene, first, person = windows.T
    back = first[:, None] + np.arange(record.history - 1, -1, -1)
    said = _doing(tracks).said[scene[:, None], back, person[:, None]]
    return _first(said >= 0, said + 1)


def _hand_again(record: ForecasterRecord, tracks: Tracks, windows: NDArray[np.intp]) -> Ints:
    scene, first, person = windows.T
    back = first[:, None] + np.arange(record.history - 1, -1, -1)
    held = _doing(tracks).held[scene[:, None], back, person[:, None]]
    return _first(held[:, 1:] != held[:, :-1], np.where(held[:, 1:] < 0, 1, 2))


def _straight_on(record: ForecasterRecord, tracks: Tracks, windows: NDArray[np.intp]) -> Ints:
    scene, first, person = windows.T
    now = first + record.history - 1
    own = tracks.position[scene, now, person]
    velocity = (own - tracks.position[scene, np.maximum(first, now - 2), person]) / 2
    way = own[:, None] + velocity[:, None] * np.arange(1, record.horizon + 1)[:, None]
    _, there, which = _things(tracks, scene, now, person)
    return _reached(tracks, windows, record, which, there, way)


_AGAIN: Final[dict[str, Callable[[ForecasterRecord, Tracks, NDArray[np.intp]], Ints]]] = {
    "hand": _hand_again,
    "utterance": _said_again,
    "goal": _straight_on,
}
