"""An experiment as a TOML file: what is collected, pretrained, trained, adapted and evaluated.

After that may come any other command of `als`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from als_engine.errors import ArgumentError
from als_engine.evaluation.splits import REPORTING
from als_engine.limits import EPISODES, STEPS, WORKERS, WORLDS
from als_engine.system.toml_files import read_toml
from als_engine.task import Split
from als_plugins.learners.hyperparameters import Tuning

__all__ = [
    "OUTPUTS",
    "AdaptStage",
    "CollectStage",
    "EvaluateStage",
    "Experiment",
    "PretrainStage",
    "Table",
    "ThenStage",
    "TrainStage",
    "read_experiment",
]

Id = Annotated[str, Field(min_length=1, max_length=100)]
Count = Annotated[int, Field(ge=1, le=STEPS)]
Episodes = Annotated[int, Field(ge=1, le=EPISODES)]
Values = Annotated[dict[str, JsonValue], Field(max_length=100)]
Number = Annotated[int, Field(ge=-STEPS, le=STEPS)]
Word = Annotated[str, Field(min_length=1, max_length=1_000)]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]

OUTPUTS: Final = {
    "collect": "experience",
    "pretrain": "pretraining",
    "train": "training",
    "adapt": "adaptation",
}
"""What each of the loop's own stages leaves behind, in its folder."""


class Table(BaseModel):
    """A table of the file: unknown keys, wrong types and numbers that are not finite are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CollectStage(Table):
    """Unlabelled experience.

    Attributes:
        policy: who acts: "random", "expert", "mix", "turns", or a saved agent's folder.
        episodes: of each scenario.
        scenarios: where; the experiment's own when empty.
    """

    policy: Id = "mix"
    episodes: Episodes
    scenarios: Annotated[list[Id], Field(max_length=100)] = []


class PretrainStage(Table):
    """The encoder, without labels and without rewards.

    Attributes:
        encoder: registered id.
        config: its arguments.
        objectives: name to weight in the loss.
        steps: gradient steps, at most.
        batch: samples in each.
        learning_rate: of AdamW.
    """

    encoder: Id = "attention"
    config: Values = {}
    objectives: Annotated[dict[str, float], Field(min_length=1, max_length=20)] = {"masked": 1.0}
    steps: Count = 2_000
    batch: Annotated[int, Field(ge=2, le=100_000)] = 64
    learning_rate: Annotated[float, Field(gt=0.0, le=1.0)] = 1e-3


class TrainStage(Table):
    """Reinforcement learning, from the pretrained encoder where there is one.

    Attributes:
        agent: registered id of a learner.
        steps: environment steps over all rows.
        worlds, workers: stepped at once, and by how many processes.
        tuning: what learns of a pretrained encoder: "full", "frozen", "lora", "adalora" or
            "adapter".
        config: hyperparameters.
    """

    agent: Id = "ppo"
    steps: Count
    worlds: Annotated[int, Field(ge=1, le=WORLDS)] = 16
    workers: Annotated[int, Field(ge=1, le=WORKERS)] = 1
    tuning: Tuning = "full"
    config: Values = {}


class AdaptStage(Table):
    """Online learning from people's feedback.

    Attributes:
        feedback: "simulated:NOISE", or a file of feedback.
        steps: environment steps over all rows.
        drift: scenario arguments that change half-way.
    """

    feedback: Id = "simulated:0.1"
    steps: Count
    drift: Values = {}


class EvaluateStage(Table):
    """The evaluation, beside random and the expert.

    Attributes:
        episodes: how many.
        split: where their levels come from: "test", the one that nothing was chosen by, or another.
    """

    episodes: Episodes = 100
    split: Split = REPORTING


class ThenStage(Table):
    """Any command of `als` that prints JSON, after the stages of the loop.

    Attributes:
        run: its name, such as "robustness" or "data show".
        name: of the stage; by default the command's own, its words joined.
        inputs: its arguments; "{train}" stands for what that stage has left behind.
        options: by name, without the dashes; a list gives an option several times.
        out: the file or folder that it writes, in the folder of the stage, if it takes `--out`.
    """

    run: Annotated[str, Field(pattern=r"^[a-z][a-z-]*( [a-z][a-z-]*){0,2}$", max_length=100)]
    name: FileName | None = None
    inputs: Annotated[list[Word], Field(max_length=20)] = []
    options: Annotated[
        dict[Word, bool | Number | float | Word | list[Number | float | Word]], Field(max_length=50)
    ] = {}
    out: FileName = "output"

    @property
    def label(self) -> str:
        """The name of the stage."""
        return self.name or self.run.replace(" ", "-")


class Experiment(Table):
    """One experiment: where it takes place, and its stages in order; each may be left out.

    Attributes:
        scenario: registered id.
        sensors: observation keys; the scenario's default when empty.
        arguments: other arguments of the scenario.
        seed: of everything.
        collect, pretrain, train, adapt, evaluate: the stages of the loop.
        then: other commands, one after the other.
    """

    scenario: Id
    sensors: Annotated[list[Id], Field(max_length=100)] = []
    arguments: Values = {}
    seed: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    collect: CollectStage | None = None
    pretrain: PretrainStage | None = None
    train: TrainStage | None = None
    adapt: AdaptStage | None = None
    evaluate: EvaluateStage | None = None
    then: Annotated[list[ThenStage], Field(max_length=50)] = []

    @model_validator(mode="after")
    def _in_order(self) -> Experiment:
        for stage, needs in (("pretrain", "collect"), ("adapt", "train"), ("evaluate", "train")):
            if getattr(self, stage) is not None and getattr(self, needs) is None:
                raise ValueError(f"[{stage}] needs a table [{needs}]")
        if self.collect is None and self.train is None and not self.then:
            raise ValueError("there is nothing to do: add [collect], [train] or [[then]]")
        taken = {*OUTPUTS, "evaluate"}
        for further in self.then:
            if further.label in taken:
                raise ValueError(f'two stages are called "{further.label}": give one a name')
            taken.add(further.label)
        return self

    _folder: Path = PrivateAttr(default_factory=Path)

    def path(self, text: str) -> str:
        """The name in the file as an id or a path; paths start from the folder of the file.

        A path that is not there is taken as it stands: from where the command is given.
        """
        place = self._folder / text
        return str(place) if not _is_id(text) and place.exists() else text

    def learner_config(self) -> dict[str, Any]:
        """Hyperparameters of the learner, with the path of a pretrained encoder as it is meant."""
        config: dict[str, Any] = dict(self.train.config) if self.train else {}
        if isinstance(given := config.get("pretrained"), str):
            config["pretrained"] = self.path(given)
        return config

    @property
    def scenario_arguments(self) -> dict[str, Any]:
        """The arguments of the scenario."""
        return {**self.arguments, **({"sensors": list(self.sensors)} if self.sensors else {})}


def read_experiment(path: Path | str) -> Experiment:
    """Reads and checks an experiment's file.

    Raises:
        SavedFileError: it cannot be read.
        ArgumentError: it is no TOML, or a key is unknown, missing or has a value that is not
            allowed; names the key and its line.
    """
    path = Path(path)
    values, text = read_toml(path)
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # A misspelt key is missing under its right name too; the wrong one says more.
        first = min(errors, key=lambda found: found["type"] != "extra_forbidden")
        keys = [str(part) for part in first["loc"]]
        message = first["msg"].removeprefix("Value error, ")
        if isinstance(first["input"], int):
            message = f"{message}, got {first['input']!r:.40}"
        raise ArgumentError(f"{path}: {_where(text, keys)}{_in_words(message)}") from None
    experiment._folder = path.resolve().parent
    return experiment


def _is_id(text: str) -> bool:
    """Whether it means the same wherever the file lies."""
    from als_engine.plugins.registry import registry

    known = ("mix", "turns", "none", "frozen", *(spec.id for spec in registry.agents()))
    return text in known or text.startswith("simulated:")


def _in_words(message: str) -> str:
    return message[:1].lower() + message[1:]


def _where(text: str, keys: list[str]) -> str:
    """`train.steps (line 12): `, as far as the line can be found; empty for the whole file."""
    if not keys:
        return ""
    line = _line(text, keys)
    return f"{'.'.join(keys)}{f' (line {line})' if line else ''}: "


def _line(text: str, keys: list[str]) -> int | None:
    """The line of a key, or of the deepest table above it that the file names."""
    table: list[str] = []
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.split("#")[0].strip()
        if bare.startswith("["):
            table = [part.strip().strip("\"'") for part in bare.strip("[]").split(".")]
            here = table
        elif "=" in bare:
            name = bare.partition("=")[0]
            here = [*table, *(part.strip().strip("\"'") for part in name.split("."))]
        else:
            continue
        if here == keys[: len(here)] and (best is None or len(here) > best[0]):
            best = (len(here), number)
    return best and best[1]
