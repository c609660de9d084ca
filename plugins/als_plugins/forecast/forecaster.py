"""A forecaster: what was seen of people to where they will be, and its folder.

The folder holds `forecaster.json` and `weights.safetensors`, and nothing that could be run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from als_engine.agents.saving import PrivacyRecord
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.limits import STEPS
from als_engine.models import Model, read_model
from als_engine.system.safe_files import read_tensors, replace_folder, write_tensors
from als_plugins.forecast.baselines import fit_kalman, fit_spread, kalman, pointwise
from als_plugins.forecast.mixture import Mixture
from als_plugins.forecast.tracks import Label
from als_plugins.forecast.windows import Past, features, frame_of

if TYPE_CHECKING:
    import torch

__all__ = [
    "BASELINES",
    "GAP_BASELINES",
    "NETWORKS",
    "Forecaster",
    "ForecasterRecord",
    "Trained",
    "fit_baseline",
    "is_forecaster",
    "make_network",
    "read_forecaster",
    "write_forecaster",
]

BASELINES: Final = ("still", "constant-velocity", "kalman")
GAP_BASELINES: Final = ("line", "kalman")
NETWORKS: Final = ("rnn", "lstm", "gru", "social")
RECORD: Final = "forecaster.json"
WEIGHTS: Final = "weights.safetensors"
DID: Final = 4
"""So many numbers say what somebody did at a step: see `next_steps`."""

Steps = Annotated[int, Field(ge=1, le=1_000)]
Task = Literal["path", "gap", "hand", "utterance", "goal"]


class Trained(Model):
    """How a forecaster was made.

    Attributes:
        source: of the tracks, for people to read.
        windows: that it was trained on.
        steps: gradient steps; 0 for what is fitted at once.
        best: the step whose weights were kept, by the validation part.
        loss: there; the negative logarithm of a density or of a probability.
        seed: of weights and order.
        seconds: of wall-clock time. busy: the share of it in forward and backward passes.
        privacy: what it has told of the tracks, where it was trained with privacy.
    """

    source: Annotated[str, Field(max_length=1_000)]
    windows: int = Field(ge=0, le=STEPS)
    steps: int = Field(default=0, ge=0, le=STEPS)
    best: int = Field(default=0, ge=0, le=STEPS)
    loss: float | None = None
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    seconds: float = Field(default=0.0, ge=0)
    busy: float = Field(default=0.0, ge=0, le=1)
    privacy: PrivacyRecord | None = None


class ForecasterRecord(Model):
    """Schema of `forecaster.json`.

    Attributes:
        format: the version of this format.
        task: "path": where people will be; "gap": where they were in a gap; "hand", "utterance" and
            "goal": what they do next.
        model: one of `BASELINES`, `GAP_BASELINES` or `NETWORKS`.
        time_step: seconds between two steps.
        history, horizon: steps that are seen, and that are foreseen.
        others: how many other people are looked at.
        hidden, modes: width of a network, and ways to go on that it tells apart.
        scale: by which the spread of each step is multiplied, so that likelihoods are calibrated.
        classes: what can be next.
        trained: how it was made.
    """

    format: Literal[1] = 1
    task: Task
    model: Annotated[str, Field(pattern="^[a-z-]{1,40}$")]
    time_step: float = Field(gt=0, le=3_600)
    history: Steps
    horizon: Steps
    others: int = Field(default=8, ge=0, le=64)
    hidden: int = Field(default=64, ge=4, le=2_048, multiple_of=4)
    modes: int = Field(default=5, ge=1, le=50)
    scale: list[Annotated[float, Field(gt=0, le=100)]] = Field(
        default_factory=list, max_length=1_000
    )
    classes: list[Label] = Field(default_factory=list, max_length=10_000)
    trained: Trained

    @property
    def is_network(self) -> bool:
        """Whether it has weights of a network."""
        return self.model in NETWORKS


@dataclass(frozen=True)
class Forecaster:
    """What forecasts.

    Attributes:
        record: what it is.
        network: of a network; else None.
        fitted: of a baseline: `spread` (horizon,) metres, or `kalman` (2,).
    """

    record: ForecasterRecord
    network: torch.nn.Module | None = None
    fitted: NDArray[np.float64] | None = None

    def forecast(self, past: Past) -> Mixture:
        """Where people will be at each step of the horizon, calibrated.

        Args:
            past: `history` steps of each person and of those around them.

        Raises:
            ArgumentError: the steps are other ones than it was trained on, or it forecasts nothing.
        """
        record = self.record
        if record.task != "path":
            raise ArgumentError(f'this forecaster is for "{record.task}", not for paths')
        if not np.isclose(past.time_step, record.time_step, rtol=1e-6):
            raise ArgumentError(
                f"the tracks have steps of {past.time_step:g} s, the forecaster was trained on "
                f"{record.time_step:g} s"
            )
        found = self._uncalibrated(past)
        return found.scaled(np.array(record.scale)) if record.scale else found

    def _uncalibrated(self, past: Past) -> Mixture:
        record, fitted = self.record, self.fitted
        if self.network is not None:
            return _network_mixture(self.network, past)
        assert fitted is not None
        if record.model == "kalman":
            return kalman(past, record.horizon, float(fitted[0]), float(fitted[1]))
        return pointwise(past, fitted, moving=record.model == "constant-velocity")


def _network_mixture(network: torch.nn.Module, past: Past) -> Mixture:
    """Runs a network on what was seen, and turns what it says into the frame of the place."""
    import torch

    frame = frame_of(past.own)
    own, others = features(past, frame)
    with torch.inference_mode():
        inputs = (
            torch.from_numpy(np.ascontiguousarray(each)) for each in (own, others, past.there)
        )
        weight, mean, spread, rho = (each.numpy() for each in network(*inputs))
    cos, sin = (each[:, None, None] for each in frame.turn.astype(np.float64).T)
    a, b = spread[..., 0].astype(np.float64), spread[..., 1].astype(np.float64)
    a, both, b = a * a, rho * a * b, b * b
    # The turned covariance, entry by entry: products of a hundred thousand small matrices are slow.
    covariance = np.empty((*a.shape, 2, 2))
    covariance[..., 0, 0] = cos * cos * a - 2 * cos * sin * both + sin * sin * b
    covariance[..., 1, 1] = sin * sin * a + 2 * cos * sin * both + cos * cos * b
    mixed = cos * sin * (a - b) + (cos * cos - sin * sin) * both
    covariance[..., 0, 1] = covariance[..., 1, 0] = mixed
    share = np.exp(weight.astype(np.float64))
    share /= share.sum(axis=1, keepdims=True)
    return Mixture(share, frame.out_of(mean).astype(np.float64), covariance)


def fit_baseline(model: str, past: Past, future: NDArray[np.float32]) -> NDArray[np.float64]:
    """The numbers of a baseline, by the train part."""
    if model == "kalman":
        return np.array(fit_kalman(past, future))
    return fit_spread(past, future, moving=model == "constant-velocity")


def make_network(record: ForecasterRecord) -> torch.nn.Module:
    """A network as a record has it, with new weights from torch's generator."""
    from als_plugins.forecast.network import Encoder, GapHead, NextHead, PathHead
    from als_plugins.forecast.networks import GapNetwork, NextNetwork, PathNetwork

    social = record.model == "social"
    cell = "gru" if social else record.model
    if record.task == "path":
        encoder = Encoder(cell, record.hidden, social=social, both=False)
        head = PathHead(record.hidden, record.modes, record.horizon, record.time_step)
        return PathNetwork(encoder, head)
    if record.task == "gap":
        encoder = Encoder(cell, record.hidden, own=6, social=social, both=True)
        return GapNetwork(encoder, GapHead(encoder.width))
    encoder = Encoder(cell, record.hidden, own=4 + DID, other=4 + DID, social=social, both=False)
    goal = record.task == "goal"
    return NextNetwork(encoder, NextHead(encoder.width, 1 if goal else len(record.classes), goal))


def write_forecaster(forecaster: Forecaster, folder: Path) -> None:
    """Saves a forecaster to a folder, whole or not at all.

    Raises:
        SavedFileError: it cannot be written, or has numbers that are not finite.
    """

    def fill(new: Path) -> None:
        text = forecaster.record.model_dump_json(indent=2) + "\n"
        (new / RECORD).write_text(text, encoding="utf-8")
        write_tensors(new / WEIGHTS, _arrays(forecaster))

    replace_folder(folder, fill)


def _arrays(forecaster: Forecaster) -> dict[str, NDArray[Any]]:
    if forecaster.network is None:
        assert forecaster.fitted is not None
        return {"fitted": forecaster.fitted}
    return {name: tensor.numpy() for name, tensor in forecaster.network.state_dict().items()}


def is_forecaster(folder: Path) -> bool:
    """Whether a folder holds a saved forecaster, or the training that made one."""
    return (folder / "forecaster" / RECORD).exists() or (folder / RECORD).exists()


def read_forecaster(folder: Path) -> Forecaster:
    """Reads a saved forecaster: its folder, or that of the training that made it.

    Raises:
        SavedFileError: there is none, or it is damaged.
    """
    inner = folder / "forecaster"
    place = inner if (inner / RECORD).exists() else folder
    if not (place / RECORD).exists():
        raise SavedFileError(f"{folder} has no {RECORD}: `als forecast train` makes a forecaster")
    record = read_model(place / RECORD, ForecasterRecord)
    if record.scale and len(record.scale) != record.horizon:
        raise SavedFileError(f"{place / RECORD}: scale has another length than horizon")
    if not record.is_network:
        known = {"path": BASELINES, "gap": GAP_BASELINES}.get(record.task, ())
        if record.model not in known:
            raise SavedFileError(f'{place / RECORD}: there is no model "{record.model}"')
        size = {"kalman": 2, "line": 1}.get(record.model, record.horizon)
        fitted = read_tensors(place / WEIGHTS, like={"fitted": np.zeros(size)})["fitted"]
        if (fitted <= 0).any():
            raise SavedFileError(f"{place / WEIGHTS}: fitted numbers must be above 0")
        return Forecaster(record, fitted=fitted)
    import torch

    network = make_network(record)
    like = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    arrays = read_tensors(place / WEIGHTS, like=like)
    network.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    return Forecaster(record, network=network.eval())
