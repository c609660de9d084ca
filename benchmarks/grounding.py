"""Does an encoder tell which thing an instruction names? For ALS/Vocabulary-v0, after pretraining.

    python benchmarks/grounding.py masked=1,dynamics=1     what the objectives teach
    python benchmarks/grounding.py destination=1 --policy turns
    python benchmarks/grounding.py told --depth 1          the encoder is told the answer: a bound

A linear probe reads from the features where the named thing is; the thing nearest to that place is
its choice. Chance is about a third. Three figures are printed: for held-out levels of the same
experience, for such levels as random actions see them, and for the pairs of colour and shape that
no training has. An encoder that looks only where the avatar is heading does well on the first if an
expert was walking, and no better than chance on the second.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from arms import SETTINGS, WORK, acting
from numpy.typing import NDArray

if TYPE_CHECKING:
    from als_plugins.encoders.base import Encoder
    from als_plugins.experience.dataset import Experience

CHOSEN = SETTINGS["vocabulary"]
SENSORS = CHOSEN.arguments["sensors"]
MOMENTS = 8_000
CHUNK = 512
Moments = dict[str, NDArray[Any]]


def main() -> None:
    """Does what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("objectives", help='such as masked=1,dynamics=1; or "told"')
    parser.add_argument("--policy", default="mix")
    parser.add_argument("--episodes", type=int, default=1_600)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2_500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    options = parser.parse_args()
    experience = _experience(options.policy, options.episodes)
    encoder = (_told if options.objectives == "told" else _pretrained)(experience, options)
    train = _moments(experience, "train")
    judged = {
        "own experience": _moments(experience, "test"),
        "random actions": _moments(_experience("random", 300), "test"),
        "held-out pairs": _moments(_experience("random", 30, "test"), "test"),
    }
    found = {name: _accuracy(encoder, train, moments) for name, moments in judged.items()}
    print(json.dumps({**vars(options), **found}))


def _experience(policy: str, episodes: int, split: str = "train") -> Experience:
    from als_plugins.experience.collect import collect
    from als_plugins.experience.dataset import open_experience

    folder = WORK / "grounding" / f"{policy}-{episodes}-{split}"
    collect(
        CHOSEN.scenario,
        folder,
        policy=policy,
        episodes=episodes,
        seed=0,
        split=split,
        arguments=acting(CHOSEN),
    )
    return open_experience(folder, SENSORS)


def _pretrained(experience: Experience, options: argparse.Namespace) -> Encoder:
    from als_plugins.encoders.saving import load_encoder
    from als_plugins.pretraining.objectives import parse_weights
    from als_plugins.pretraining.pretrain import pretrain

    name = "-".join(str(value) for value in vars(options).values()).replace(",", "+")
    done = pretrain(
        experience.folder,
        WORK / "grounding" / name,
        config={**CHOSEN.encoder, "depth": options.depth},
        sensors=SENSORS,
        objectives=parse_weights([options.objectives]),
        steps=options.steps,
        batch=options.batch,
        learning_rate=options.rate,
        patience=options.steps,
        resume=True,
    )
    return load_encoder(done.folder, experience.observation_space)[0]


def _told(experience: Experience, options: argparse.Namespace) -> Encoder:
    """Trains encoder and readout on the place of the named thing itself."""
    import torch
    from torch import nn

    from als_plugins.encoders.saving import make_encoder

    torch.manual_seed(0)
    config = {**CHOSEN.encoder, "depth": options.depth}
    encoder = make_encoder("attention", experience.observation_space, config)
    encoder.standardise(experience.statistics)
    whole = nn.ModuleList([encoder, nn.Linear(encoder.features, 2)])
    optimizer = torch.optim.AdamW(whole.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, options.steps)
    moments = _moments(experience, "train", most=None)
    rng = np.random.default_rng(0)
    for _ in range(options.steps):
        rows = rng.integers(len(moments["place"]), size=options.batch)
        batch = {key: torch.from_numpy(moments[key][rows]) for key in (*SENSORS, "place")}
        loss = (whole[1](encoder(batch)) - batch["place"]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(whole.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return encoder


def _moments(experience: Experience, part: str, most: int | None = MOMENTS) -> Moments:
    """Moments at which the named thing is in sight, with its `row` of `entities` and `place`."""
    windows = experience.part(part).windows(1)
    order = np.random.default_rng(0).permutation(len(windows))
    window = windows.take(np.sort(order[:most]))
    found: Moments = {key: values[:, 0] for key, values in window.observation.items()}
    row = _named(found["entities"], found["text"])
    found["row"] = row
    found["place"] = _places(found["entities"])[np.arange(len(row)), row]
    return {key: values[row >= 0] for key, values in found.items()}


def _places(entities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where the things are, (moments, rows, 2), metres ahead and to the left; far off if absent."""
    from als_engine.sensors.columns import ENTITIES as COLUMNS

    at = [COLUMNS.index("forward"), COLUMNS.index("left")]
    return np.where(entities[..., :1] > 0.5, 10 * entities[..., at], 1e3).astype(np.float32)


def _named(entities: NDArray[np.float32], text: NDArray[np.integer]) -> NDArray[np.intp]:
    """The row of the thing that has the colour and the shape in the text; -1 out of sight."""
    from als_engine.sensors.columns import ENTITIES as COLUMNS
    from als_engine.sensors.tokenizer import encode
    from als_engine.world.layout import rgb
    from als_scenarios.education.vocabulary import COLORS, SHAPES

    def said(words: Any) -> NDArray[np.intp]:
        # The last token tells the words apart, also those that are several tokens.
        return np.stack([(text == encode(w)[-1]).any(1) for w in words], 1).argmax(1)

    column = {name: entities[..., COLUMNS.index(name)] for name in COLUMNS}
    hues = np.array([rgb(color) for color in COLORS], np.float32) / 255
    seen = np.stack([column[name] for name in ("red", "green", "blue")], -1)
    color = np.square(seen[:, :, None] - hues).sum(-1).argmin(-1)
    # A box is not round, a post is higher than a ball; heights are over 2 m.
    shape = np.where(column["round"] < 0.5, 0, np.where(column["height"] < 0.4, 1, 2))
    assert list(SHAPES) == ["box", "ball", "post"]
    right = (color == said(COLORS)[:, None]) & (shape == said(SHAPES)[:, None])
    right &= column["present"] > 0.5
    return np.where(right.any(1), right.argmax(1), -1)


def _accuracy(encoder: Encoder, train: Moments, judged: Moments) -> float:
    """How often the thing nearest to where a linear probe says is the one that is named."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    probe = make_pipeline(StandardScaler(), RidgeCV((1.0, 10.0, 100.0, 1_000.0)))
    probe.fit(_features(encoder, train), train["place"])
    said = probe.predict(_features(encoder, judged))
    nearest = np.square(_places(judged["entities"]) - said[:, None]).sum(-1).argmin(1)
    return round(float((nearest == judged["row"]).mean()), 3)


def _features(encoder: Encoder, moments: Moments) -> NDArray[np.float32]:
    import torch

    encoder.eval()
    with torch.no_grad():
        parts = [
            encoder({k: torch.from_numpy(moments[k][low : low + CHUNK]) for k in SENSORS}).numpy()
            for low in range(0, len(moments["row"]), CHUNK)
        ]
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
