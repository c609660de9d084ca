"""Findings of `als doctor`, made by the engine and by plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Finding", "Status"]

Status = Literal["ok", "missing", "broken"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        topic: what was looked at, such as `sandbox`.
        status: `ok`; `missing`, which nothing needs that runs without it; or `broken`.
        text: what was found, one line.
        remedy: what to do about it, such as a command; empty where there is nothing to do.
        versions: of the libraries concerned, by the name of their distributions.
    """

    topic: str
    status: Status
    text: str
    remedy: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
