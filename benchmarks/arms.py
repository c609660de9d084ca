"""What `evidence.py` compares: the scenarios, the arms, and how one of them is run."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from trainings import whole

from als_engine.agents.agent import Progress

WORK = Path("runs") / "evidence"
"""Datasets, encoders and agents; may be deleted, and is made again from the seeds."""

EVALUATED = 100
"""Held-out episodes behind every score."""

WORLDS = 32
RATES = (5e-4, 1e-3, 2e-3)
"""Learning rates that are tried for every arm, each with one training from the seed `TUNING`."""
TUNING = 1_000

PROBED = 4_000
"""Steps of the expert that a probe is fitted on, and as many that it is judged by."""

Experience = Literal["own", "random", "others"]


@dataclass(frozen=True)
class Setting:
    """One scenario, and everything that its arms share.

    Attributes:
        scenario, arguments: where.
        steps: environment steps of every arm; of the long ones more.
        episodes, policy: the experience behind the pretrained encoders, from training levels.
        objectives, pretraining_steps, batch, learning_rate: of the pretraining.
        encoder: arguments of the attention encoder.
        imitate: steps in which the expert shows what to do; the arms share them, too.
        others: scenarios whose experience another encoder is pretrained on, with the same sensors.
        drift: the arguments that change for adaptation.
    """

    scenario: str
    arguments: dict[str, Any]
    steps: int
    episodes: int = 300
    policy: str = "mix"
    objectives: dict[str, float] = field(default_factory=lambda: {"masked": 1.0, "dynamics": 1.0})
    pretraining_steps: int = 1_500
    batch: int = 64
    learning_rate: float = 1e-3
    encoder: dict[str, Any] = field(default_factory=dict)
    imitate: int = 0
    others: tuple[str, ...] = ()
    drift: dict[str, Any] = field(default_factory=dict)
    adaptation_steps: int = 40_000

    @property
    def title(self) -> str:
        """The scenario, and what is seen of it where that is little."""
        sensors: list[str] = self.arguments["sensors"]
        return (
            self.scenario if "entities" in sensors else f"{self.scenario}, {' and '.join(sensors)}"
        )


BODIES = ["entities", "proprioception"]
WORDS: dict[str, Any] = {
    "episodes": 2_000,
    "policy": "turns",
    "objectives": {"destination": 1.0},
    "pretraining_steps": 4_000,
    "batch": 128,
    "learning_rate": 2e-3,
    # Two blocks: the first can read the words, the second look for the thing that they name.
    "encoder": {"width": 32, "depth": 2, "heads": 2, "features": 64},
}
PICTURES: dict[str, Any] = {"objectives": {"masked": 1.0, "temporal": 1.0}, "encoder": {"patch": 8}}

SETTINGS = {
    "tag": Setting(
        "ALS/Tag-v0",
        {"sensors": BODIES},
        steps=50_000,
        others=("ALS/Diagnosis-v0", "ALS/Vocabulary-v0", "ALS/Delivery-v0", "ALS/Classroom-v0"),
        drift={"side": 14.0},
    ),
    "diagnosis": Setting("ALS/Diagnosis-v0", {"sensors": ["chart", *BODIES]}, steps=50_000),
    "vocabulary": Setting(
        "ALS/Vocabulary-v0", {"sensors": [*BODIES, "text"]}, steps=30_000, imitate=15_000, **WORDS
    ),
    "tag-rgb": Setting(
        "ALS/Tag-v0",
        {"sensors": ["rgb"], "frame_size": 32},
        steps=30_000,
        imitate=30_000,
        **PICTURES,
    ),
    "vocabulary-rgb": Setting(
        "ALS/Vocabulary-v0",
        {"sensors": ["rgb", "text"], "frame_size": 32},
        steps=30_000,
        imitate=30_000,
        **PICTURES,
    ),
}


@dataclass(frozen=True)
class Arm:
    """One way to learn.

    Attributes:
        says: its name in tables.
        config: hyperparameters.
        pretrained: on which experience, the setting's own, that of random actions alone, or that
            of other scenarios; None for random weights.
        long: whether the steps of the setting's experience are its own to play as well.
        color: in charts; Okabe and Ito's palette, which people tell apart whatever they see.
    """

    says: str
    config: dict[str, Any]
    pretrained: Experience | None = None
    long: bool = False
    color: str = "#888888"


MLP, ATTENTION = {"encoder": "mlp"}, {"encoder": "attention"}
FROZEN, LORA = {**ATTENTION, "tuning": "frozen"}, {**ATTENTION, "tuning": "lora"}
ARMS = {
    "mlp": Arm("mlp from scratch", MLP),
    "attention": Arm("attention from scratch", ATTENTION, color="#000000"),
    "random": Arm("random weights, frozen", FROZEN, color="#cc79a7"),
    "frozen": Arm("pretrained, frozen", FROZEN, "own", color="#56b4e9"),
    "lora": Arm("pretrained, LoRA", LORA, "own", color="#e69f00"),
    "full": Arm("pretrained, fine-tuned", ATTENTION, "own", color="#009e73"),
    "alone": Arm("pretrained without an expert, fine-tuned", ATTENTION, "random", color="#0072b2"),
    "others": Arm("pretrained elsewhere, fine-tuned", ATTENTION, "others", color="#d55e00"),
    "long-mlp": Arm("mlp from scratch, with the experience's steps", MLP, long=True),
    "long-attention": Arm("attention from scratch, with them", ATTENTION, long=True),
}

ADAPTATION = {"adapt-off": None, "adapt-task": "none", "adapt-on": "simulated:0.1"}
"""The agent of arm "full" after the world has drifted, and the feedback that it is adapted from:
as it is, from the task's reward alone, or from a simulated teacher's words beside it."""

PROBES: dict[str, Experience | None] = {
    "probe-random": None,
    "probe-own": "own",
    "probe-alone": "random",
}
"""How much of the expert's actions a linear map finds in an encoder's features, before anything is
learnt of the task: with random weights, and pretrained on each kind of experience."""


def wanted(setting: str) -> list[str]:
    """What is run in a setting."""
    chosen = SETTINGS[setting]
    arms = [arm for arm in ARMS if chosen.others or ARMS[arm].pretrained != "others"]
    return [*arms, *PROBES, *(ADAPTATION if chosen.drift else ())]


def run(setting: str, arm: str, seed: int, rate: float | None) -> dict[str, Any]:
    """Makes one run of one arm; returns what goes into its file.

    Args:
        setting: where.
        arm: one of `ARMS`, `PROBES` or `ADAPTATION`.
        seed: of everything; `TUNING` plays validation levels.
        rate: the learning rate of an arm, or of the agent that is adapted; probes have none.
    """
    chosen = SETTINGS[setting]
    if arm in ADAPTATION:
        assert rate is not None
        found = _adapt(setting, arm, seed, rate)
    elif arm in PROBES:
        found = _probe(setting, PROBES[arm], seed)
    else:
        assert rate is not None
        found = _train(setting, arm, seed, rate)
    return {
        "setting": setting,
        "arm": arm,
        "seed": seed,
        "scenario": chosen.scenario,
        "arguments": chosen.arguments,
        "command": f"python benchmarks/evidence.py one {setting} {arm} {seed}",
        **found,
    }


def experience(setting: str, kind: Experience, seed: int) -> Path:
    """The dataset of a seed; made when it is missing."""
    from als_plugins.experience.collect import collect

    chosen, folder = SETTINGS[setting], WORK / f"{setting}-{seed}" / f"experience-{kind}"
    scenarios = chosen.others if kind == "others" else (chosen.scenario,)
    for scenario in scenarios:
        collect(
            scenario,
            folder,
            policy="random" if kind == "random" else chosen.policy,
            episodes=chosen.episodes // len(scenarios),
            seed=seed,
            arguments=acting(chosen),
        )
    return folder


def pretrained(setting: str, kind: Experience, seed: int) -> Path:
    """The encoder of a seed, pretrained on experience of its own; made when it is missing."""
    from als_engine.errors import SavedFileError
    from als_plugins.encoders.saving import read_encoder_record
    from als_plugins.pretraining.pretrain import pretrain

    chosen = SETTINGS[setting]
    folder = WORK / f"{setting}-{seed}" / f"pretraining-{kind}"
    try:
        read_encoder_record(folder)
    except SavedFileError:
        pretrain(
            experience(setting, kind, seed),
            folder,
            encoder="attention",
            config=chosen.encoder,
            sensors=chosen.arguments["sensors"],
            objectives=chosen.objectives,
            steps=chosen.pretraining_steps,
            batch=chosen.batch,
            learning_rate=chosen.learning_rate,
            seed=seed,
            resume=folder.exists(),
        )
    return folder


def acting(chosen: Setting) -> dict[str, Any]:
    """The scenario's arguments for whoever acts in it."""
    return {**chosen.arguments, "action_mode": "continuous"}


def _steps_in(dataset: Path) -> int:
    from als_plugins.experience.records import read_dataset

    return sum(source.steps for source in read_dataset(dataset).sources)


def _train(setting: str, arm: str, seed: int, rate: float) -> dict[str, Any]:
    from als_engine.agents.training import train_agent

    chosen, how = SETTINGS[setting], ARMS[arm]
    steps, config = chosen.steps, dict(how.config)
    if how.long:
        steps += _steps_in(experience(setting, "own", seed))
    if how.pretrained is not None:
        config["pretrained"] = str(pretrained(setting, how.pretrained, seed).resolve())
    elif config["encoder"] == "attention":
        config["encoder_config"] = chosen.encoder
    # A long arm is shown as much more as it plays more.
    shown = chosen.imitate * steps // chosen.steps
    config |= {"imitate": shown, "imitate_config": {"imitation_rate": rate}, "learning_rate": rate}
    curve: list[list[float]] = []

    def note(progress: Progress) -> None:
        late = not curve or progress.steps - curve[-1][0] >= steps / 60
        if math.isfinite(progress.mean_return) and (late or progress.steps >= steps):
            curve.append([progress.steps, round(progress.mean_return, 4)])

    folder = WORK / f"{setting}-{seed}" / f"agent-{arm}"
    shutil.rmtree(folder, ignore_errors=True)  # Of a run that was killed, or at another rate.
    trained = train_agent(
        chosen.scenario,
        "mappo",
        steps=steps,
        worlds=WORLDS,
        folder=folder,
        seed=seed,
        arguments=acting(chosen),
        config=config,
        device="cpu",
        on_progress=note,
    )
    whole(trained, steps)
    shutil.rmtree(folder / "checkpoints")
    return {
        "steps": steps,
        "shown": shown,
        "rate": rate,
        "seconds": round(trained.seconds, 1),
        "curve": curve,
        **_evaluated(folder, "validation" if seed == TUNING else "test", acting(chosen)),
    }


def _probe(setting: str, kind: Experience | None, seed: int) -> dict[str, Any]:
    """The share of the variance of the expert's actions on test levels."""
    import torch
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from als_engine.simulation import simulate
    from als_plugins.encoders.saving import load_encoder, make_encoder

    chosen = SETTINGS[setting]
    parts = {}
    for split in ("train", "test"):
        world = simulate(chosen.scenario, WORLDS, 1, split=split, **acting(chosen))
        world.reset(range(WORLDS))
        seen, done = [], []
        for step in range(PROBED // WORLDS):
            world.observe()
            seen.append({key: array[:, 0].copy() for key, array in world.observations.items()})
            done.append(world.expert_actions()[:, 0].copy())
            world.step(world.expert_actions())
            ended = np.flatnonzero(world.terminated | world.truncated)
            if ended.size:
                world.reset([WORLDS * (step + 1) + int(i) for i in ended], ended)
        observation = {key: np.concatenate([each[key] for each in seen]) for key in seen[0]}
        parts[split] = observation, np.concatenate(done)
        space = world.observation_space
        world.close()
    torch.manual_seed(seed)
    if kind is None:
        encoder = make_encoder("attention", space, chosen.encoder)
    else:
        encoder = load_encoder(pretrained(setting, kind, seed), space)[0]
    with torch.no_grad():
        features = {
            split: encoder.eval()({key: torch.from_numpy(x) for key, x in observation.items()})
            for split, (observation, _) in parts.items()
        }
    probe = make_pipeline(StandardScaler(), RidgeCV((1.0, 10.0, 100.0, 1_000.0)))
    moved = parts["train"][1].std(0) > 1e-3  # Axes that the expert uses.
    probe.fit(features["train"].numpy(), parts["train"][1][:, moved])
    told = probe.predict(features["test"].numpy())
    return {"steps": 0, "r2": round(float(r2_score(parts["test"][1][:, moved], told)), 4)}


def _adapt(setting: str, arm: str, seed: int, rate: float) -> dict[str, Any]:
    from als_plugins.adaptation.adapt import adapt

    chosen, folder = SETTINGS[setting], WORK / f"{setting}-{seed}"
    agent, drifted = folder / "agent-full", {**acting(chosen), **chosen.drift}
    if not agent.exists():
        _train(setting, "full", seed, rate)
    feedback = ADAPTATION[arm]
    if feedback is None:
        return {"steps": 0, "seconds": 0.0, **_evaluated(agent, "test", drifted)}
    out = folder / arm
    shutil.rmtree(out, ignore_errors=True)
    adapt(
        agent,
        chosen.scenario,
        folder=out,
        feedback=feedback,
        steps=chosen.adaptation_steps,
        drift=chosen.drift,
        seed=seed,
    )
    return {"steps": chosen.adaptation_steps, **_evaluated(out, "test", drifted)}


def _evaluated(folder: Path, split: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return, normalised return and success on held-out levels; actions are sampled."""
    from als_engine.agents.saving import open_agent
    from als_engine.evaluation.protocol import evaluate, normalise

    opened = open_agent(str(folder), arguments=arguments)
    found = evaluate(
        opened.agent, opened.scenario, EVALUATED, split=split, arguments=opened.arguments
    )
    score = normalise(found)
    assert score is not None
    return {
        "split": split,
        "return": round(found.mean_return.value, 4),
        "score": round(score.score.value, 4),
        "success": round(found.success.value, 4),
    }
