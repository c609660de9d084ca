"""What learners in torch settle before they begin: their encoder, their device, their threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import gymnasium
import torch

from als_engine.errors import ArgumentError
from als_plugins.encoders.saving import read_encoder_record
from als_plugins.learners.hyperparameters import Hyperparameters

__all__ = ["adam", "device", "few_threads", "resolved"]

P = TypeVar("P", bound=Hyperparameters)


def resolved(parameters: P) -> tuple[P, str | None]:
    """The parameters with what the pretrained encoder's folder says, and that folder.

    A saved agent holds all its weights: what is written down is how to build the network, and not
    a folder that may be gone.

    Raises:
        SavedFileError: the folder holds no encoder.
        ArgumentError: it holds another one than is asked for.
    """
    folder = parameters.pretrained
    if folder is None:
        return parameters, None
    record = read_encoder_record(folder)
    asked, saved = parameters.encoder, record.encoder
    if "encoder" in parameters.model_fields_set and asked != saved:
        raise ArgumentError(f'{folder} holds the encoder "{saved}", not "{asked}": leave it out')
    for name, value in parameters.encoder_config.items():
        if name not in record.config or record.config[name] != value:
            raise ArgumentError(f"{folder} was made with {record.config}: leave it out")
    changes = {
        "encoder": record.encoder, "encoder_config": dict(record.config), "pretrained": None
    }  # fmt: skip
    return parameters.model_copy(update=changes), folder


def device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one.

    Raises:
        ArgumentError: there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=name).device
    # Torch says it with AssertionError, RuntimeError and NotImplementedError, at length.
    except Exception:
        raise ArgumentError(f'there is no device "{name}" here: use auto, cpu or cuda') from None


def adam(network: torch.nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    """Adam, or AdamW where weights decay, over all of a network that learns."""
    weights = [each for each in network.parameters() if each.requires_grad]
    if decay:
        return torch.optim.AdamW(weights, rate, eps=1e-5, weight_decay=decay, fused=True)
    return torch.optim.Adam(weights, rate, eps=1e-5, fused=True)  # One kernel.


@contextmanager
def few_threads(space: gymnasium.spaces.Dict) -> Iterator[None]:
    """One thread, unless there are pictures.

    Networks this small gain nothing from a second one, and where others use the processor too
    threads that wait for one another make everything a hundred times slower.
    """
    before = torch.get_num_threads()
    pictures = any(len(part.shape or ()) == 3 for part in space.values())
    if pictures or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
