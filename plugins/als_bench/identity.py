"""Identifies an agent by the code that runs, never by its name.

A label is what people read. It may be chosen freely, as long as it takes nobody in: a yardstick is
called by its id and by nothing else, nobody else is called like one or like another registered
agent, no two labels of a run look alike, and a label that tells how its agent is made, or which
weights it has, tells the truth.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from als_engine.errors import ArgumentError
from als_engine.options import agent_options
from als_engine.plugins.registry import registry

__all__ = [
    "HUMAN",
    "PERCEPTION",
    "YARDSTICKS",
    "alike",
    "claimed_digest",
    "content_digest",
    "imitated",
    "why_mislabelled",
    "why_no_label",
]

HUMAN: Final = "human"
"""What persons are called, all of them; none of them has another name."""

YARDSTICKS: Final = ("random", "expert", "heuristic", HUMAN)
"""Ids of 0 and 1 on the normalized scale, of the scenarios' own simple rules, and of persons:
measured against, not competing. They alone act outside the sandbox, experts and rules with
everything that the worlds hold; so nothing else may pass for them, and they for nothing else."""

PERCEPTION: Final = ("action_mode", "sensors", "frame_size")
"""Arguments of a scenario that an agent chooses."""

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}(@[A-Za-z0-9._+-]{1,40})?(:[ -~]{1,150})?")
_DIGEST = re.compile(r"@([0-9a-f]{8})$")
_LOOKS_LIKE: Final = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "3": "e"})


def why_no_label(label: str) -> str:
    """Why nobody can be called so, whoever it is; empty when it is a label."""
    if not _LABEL.fullmatch(label) or label != label.strip() or "  " in label or " + " in label:
        return (
            f"{label[:60]!a} is no name of an agent: letters, digits and . _ - / +, "
            "then @ and : with what it is made of"
        )
    return ""


def why_mislabelled(
    label: str,
    agent: str,
    config: Mapping[str, Any],
    arguments: Mapping[str, Any],
    files: Iterable[str],
) -> str:
    """Why a label is not one for what is run; empty when it is.

    Args:
        label: what it is called.
        agent: registered id of what is run.
        config: its hyperparameters.
        arguments: of the scenario, those that it chose among them.
        files: names of its saved files.
    """
    if problem := why_no_label(label):
        return problem
    try:
        made_by, options = agent_options(label)
    except ArgumentError as error:
        return str(error)
    if agent in YARDSTICKS:
        plain = (made_by, options) == (agent, dict(config)) and not tuple(files)
        return "" if plain else f'"{agent}" is a yardstick: it takes no other name, and no files'
    if other := imitated(label, agent):
        return f'"{label}" looks like "{other}", and is "{agent}": choose another name (NAME=AGENT)'
    played = {**arguments, **config}
    told = {key: value for key, value in options.items() if key in played or key not in PERCEPTION}
    other_agent = ":" in label and made_by != agent
    if other_agent or any(played.get(key) != value for key, value in told.items()):
        return f'"{label}" is not how this agent is made'
    return ""


def imitated(label: str, agent: str) -> str:
    """The yardstick or registered agent that a label looks like, and is not; empty for none."""
    name = _skeleton(re.split("[@:]", label, maxsplit=1)[0])
    others = (*YARDSTICKS, *(spec.id for spec in registry.agents()))
    return next((other for other in others if other != agent and _skeleton(other) == name), "")


def alike(labels: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of different labels that a reader could take for one another."""
    known: dict[str, str] = {}
    for label in labels:
        other = known.setdefault(label.casefold().translate(_LOOKS_LIKE), label)
        if other != label:
            yield other, label


def content_digest(files: Mapping[str, bytes]) -> str:
    """The part of a saved agent's label after the @: a part of the hash of its files."""
    return hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()[:8]


def claimed_digest(label: str) -> str:
    """The `content_digest` that a label claims; empty for none."""
    found = _DIGEST.search(label.partition(":")[0])
    return found[1] if found else ""


def _skeleton(name: str) -> str:
    """What is left of a name for a hasty reader: no case, no punctuation, no number at its end."""
    letters = "".join(c for c in name.casefold() if c.isalnum())
    letters = letters.rstrip("0123456789") or letters
    return letters.translate(_LOOKS_LIKE).replace("rn", "m").replace("vv", "w")
