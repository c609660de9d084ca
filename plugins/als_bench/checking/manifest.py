"""The manifest of a bundle: canonical JSON that is checked field by field."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from als_bench.claims import canonical_json, digest_of, origin_of
from als_engine.errors import SavedFileError
from als_engine.limits import EPISODES, MAX_NUMBER, MAX_SEED, OBSERVERS, STEPS
from als_engine.models import Model, Name
from als_engine.plugins.specs import SuiteEntry
from als_engine.task import Split

__all__ = [
    "MANIFEST",
    "MAX_MANIFEST",
    "SEAL",
    "Failure",
    "FileRecord",
    "Manifest",
    "PlayerRecord",
    "Scores",
    "TrainingClaims",
    "UnitRecord",
    "encode",
    "parse",
    "score",
]

MANIFEST: Final = "manifest.json"
SEAL: Final = "manifest.sha256"
"""Holds the bundle's hash, that of the manifest: nobody changes a byte by accident."""

MAX_MANIFEST: Final = 64 << 20
"""The largest manifest that is read, bytes: room for a hundred thousand units."""

Label = Annotated[str, Field(min_length=1, max_length=200)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Path = Annotated[
    str, Field(max_length=200, pattern=r"^(agents|logs)(/[A-Za-z0-9_][A-Za-z0-9_.-]*){1,2}$")
]
Config = Annotated[dict[Name, JsonValue], Field(max_length=200)]


class FileRecord(Model):
    """A file of the bundle: its length in bytes and its hash."""

    bytes: int = Field(ge=0, le=MAX_NUMBER)
    sha256: Sha256


class PlayerRecord(Model):
    """An agent that plays; as `claims.player_claims`.

    Attributes:
        agent: registered id.
        config: hyperparameters.
        files: name to hash, of the saved agent; empty for one that is made by its id.
    """

    agent: Name
    config: Config
    files: Annotated[dict[Name, Sha256], Field(max_length=100)]

    @property
    def folder(self) -> str:
        """Where in the bundle its files are: agents that are alike share one folder."""
        return f"agents/{digest_of(self.files)[:16]}"


class TrainingClaims(Model):
    """The training of an agent, as claimed: nobody can check it by looking at episodes.

    Attributes:
        steps: environment steps. budget: what the suite allows.
        seconds: of wall-clock time.
        attempts: how often the training was begun.
        curve: (environment steps, mean training return) points.
        demonstrated: steps whose action somebody else has shown; not written where there are none.
    """

    steps: int = Field(ge=0, le=STEPS)
    budget: int = Field(ge=1, le=STEPS)
    seconds: float = Field(ge=0)
    attempts: int = Field(ge=1, le=STEPS)
    curve: Annotated[
        tuple[tuple[Annotated[int, Field(ge=0, le=STEPS)], float], ...], Field(max_length=10_000)
    ]
    demonstrated: int = Field(default=0, ge=0, le=STEPS)

    @model_serializer(mode="wrap")
    def _as_ever(self, usual: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Bundles without demonstrations have the bytes that they always had."""
        fields: dict[str, Any] = usual(self)
        if not self.demonstrated:
            del fields["demonstrated"]
        return fields


class Scores(Model):
    """Means over a unit's episodes.

    Attributes:
        total: return. success: 0 to 1. length: steps.
        normalized: the return where random is 0 and the expert 1; None without those yardsticks.
    """

    total: float
    success: float
    length: float
    normalized: float | None


class UnitRecord(Model):
    """One agent with one training seed in one entry.

    Attributes:
        entry, agent, seed: its names; see `records.Unit`.
        scenario, arguments, split, observers, player, partner: as in `claims.claims_of`.
        first_seed: what the world of episode 0 was reset with.
        episodes: how many.
        scores: their means.
        training: None for an agent that was not trained by the run.
        log: the file that replays them.
    """

    entry: Label
    agent: Label
    seed: int = Field(ge=0, le=MAX_SEED)
    scenario: Name
    arguments: Config
    split: Split
    observers: int = Field(ge=1, le=OBSERVERS)
    player: PlayerRecord
    partner: PlayerRecord | None
    first_seed: int = Field(ge=0, le=MAX_SEED)
    episodes: int = Field(ge=1, le=EPISODES)
    scores: Scores
    training: TrainingClaims | None
    log: Path

    @property
    def name(self) -> str:
        """The unit in words."""
        return f"{self.entry}, {self.agent}, seed {self.seed}"


class Failure(Model):
    """A unit without a result, and why."""

    entry: Label
    agent: Label
    seed: int = Field(ge=0, le=MAX_SEED)
    reason: Annotated[str, Field(max_length=1_000)]


class Manifest(Model):
    """The whole manifest.

    Attributes:
        format: the version of this format.
        run: the run's key.
        suite: as `SuiteSpec.as_dict` gives it.
        code, versions, machine: as in `records.RunRecord`.
        units, failures: by entry, agent and seed.
        files: path to length and hash, of everything else in the bundle.
    """

    format: Literal[1] = 1
    run: Name
    suite: dict[str, JsonValue]
    code: Annotated[dict[Name, Sha256], Field(max_length=1_000)]
    versions: Annotated[dict[Name, Name], Field(max_length=1_000)]
    machine: Annotated[dict[Name, JsonValue], Field(max_length=100)]
    units: Annotated[tuple[UnitRecord, ...], Field(min_length=1, max_length=100_000)]
    failures: Annotated[tuple[Failure, ...], Field(max_length=100_000)]
    files: Annotated[dict[Path, FileRecord], Field(max_length=200_000)]

    def claims(self, unit: UnitRecord) -> dict[str, Any]:
        """The claims of a unit, as `claims.claims_of` returns them."""
        fields = unit.model_dump(mode="json")
        names = ("arguments", "observers", "partner", "player", "scenario", "seed", "split")
        return {
            **{name: fields[name] for name in names},
            "code": self.code,
            "suite": digest_of(self.suite),
            "versions": self.versions,
        }

    def origin(self, unit: UnitRecord) -> bytes:
        """The start of a unit's hash chains, if all that is claimed here is true."""
        return origin_of(self.claims(unit))


def encode(manifest: Manifest) -> bytes:
    """The canonical bytes, whose sha256 is the bundle's hash."""
    return canonical_json(manifest.model_dump(mode="json"))


def parse(data: bytes) -> Manifest:
    """Reads a manifest.

    Raises:
        SavedFileError: it is none, or is not written canonically; names the first wrong field.
    """
    try:
        manifest = Manifest.model_validate_json(data)
        canonical = encode(manifest)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        message = f"{where + ': ' if where else ''}{first['msg']}"[:500]
        raise SavedFileError(f"{MANIFEST}: {message}") from None
    except (ValueError, RecursionError) as error:  # NaN, for instance.
        raise SavedFileError(f"{MANIFEST}: {error}") from None
    if canonical != data:
        raise SavedFileError(
            f"{MANIFEST} is not canonical JSON: not what `als bench bundle` writes"
        )
    return manifest


def score(entry: SuiteEntry, results: Any) -> Scores:
    """The means over episodes.

    Args:
        entry: with its yardsticks.
        results: the episodes, as `EpisodeResult`s.
    """
    count = len(results)
    total = sum(result.total for result in results) / count
    low, high = entry.random, entry.expert
    return Scores(
        total=total,
        success=sum(result.success for result in results) / count,
        length=sum(result.length for result in results) / count,
        normalized=None if low is None or high is None else (total - low) / (high - low),
    )
