"""The claims of a unit, as canonical JSON: the root of its hash chains.

A log cannot be moved to other claims: another agent, configuration, version or seed has another
origin, and every link of every chain depends on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from als_bench.records import RunRecord

__all__ = ["canonical_json", "claims_of", "digest_of", "origin_of", "player_claims"]


def canonical_json(value: Any) -> bytes:
    """The same bytes for the same value: sorted keys, no spaces, ASCII, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def digest_of(value: Any) -> str:
    """sha256 of the canonical JSON, hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def player_claims(
    agent: str, config: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, Any]:
    """The claims about an agent that plays.

    Args:
        agent: registered id.
        config: hyperparameters.
        files: of the saved agent; empty for one that is made by its id.
    """
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    return {"agent": agent, "config": dict(config), "files": digests}


def claims_of(
    run: RunRecord,
    *,
    scenario: str,
    arguments: Mapping[str, Any],
    split: str,
    observers: int,
    seed: int,
    player: Mapping[str, Any],
    partner: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The claims about how a unit's episodes came about.

    Args:
        run: the suite and the code that it was run with.
        scenario: where it plays.
        arguments: of the scenario, complete.
        split: that levels are drawn from.
        observers: avatars that are driven.
        seed: of the agent's training.
        player: the agent, as `player_claims` has it.
        partner: the agent that drives the second avatar, in cross-play.
    """
    return {
        "arguments": dict(arguments),
        "code": dict(run.code),
        "observers": observers,
        "partner": None if partner is None else dict(partner),
        "player": dict(player),
        "scenario": scenario,
        "seed": seed,
        "split": split,
        "suite": digest_of(dict(run.suite)),
        "versions": dict(run.versions),
    }


def origin_of(claims: Mapping[str, Any]) -> bytes:
    """The start of a unit's hash chains, 32 bytes."""
    return hashlib.sha256(canonical_json(claims)).digest()
