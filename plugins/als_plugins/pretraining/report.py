"""Measures what a pretrained encoder has learnt, on levels that it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from als_engine.seeding import Generators, spread
from als_engine.sensors.tokenizer import TOLD, VOCABULARY_SIZE, encode
from als_plugins.encoders.base import Encoder
from als_plugins.encoders.saving import make_encoder
from als_plugins.encoders.stems import Form, form_of
from als_plugins.pretraining.batches import clip_of
from als_plugins.pretraining.group import Group
from als_plugins.pretraining.objectives.contrast import fingerprints
from als_plugins.pretraining.objectives.crossmodal import Crossmodal
from als_plugins.pretraining.objectives.masked import Masked
from als_plugins.pretraining.paraphrases import PARAPHRASES
from als_plugins.pretraining.probes import probe
from als_plugins.pretraining.trainer import Trainer, held_out_clips

if TYPE_CHECKING:
    from als_plugins.experience.dataset import Windows

__all__ = ["lines", "make_report"]

POOL: Final = 256
LOOKED_AT: Final = 2_048
CHUNK: Final = 128


def make_report(trainer: Trainer) -> dict[str, Any]:
    """Measures everything that the objectives and sensors allow; the rest is left out.

    Returns:
        `loss`; `masked` with the share of hidden words guessed; `retrieval` with recall both ways;
        `paraphrases` with similarities; `probes`. Figures of the pretrained encoder stand under
        `pretrained`, beside the same for `random` weights.
    """
    experience, network, job = trainer.experience, trainer.network, trainer.job
    network.eval()
    random = _random(trainer)
    encoders = {"pretrained": network.encoder, "random": random}
    test = experience.part("test").windows(1)
    counters = trainer.counters
    report: dict[str, Any] = {
        "scenarios": list(experience.scenarios),
        "encoder": job.encoder,
        "config": dict(network.encoder.config),
        "sensors": list(experience.observation_space.spaces),
        "objectives": dict(job.objectives),
        "steps": counters.step,
        "loss": {"held_out": counters.best, "step": counters.best_step},
    }
    found = {
        "masked": _masked(trainer, test) if "masked" in job.objectives else {},
        "retrieval": _retrieval(trainer, test) if "crossmodal" in job.objectives else {},
        "paraphrases": _paraphrases(encoders, trainer.device),
        "probes": probe(experience, encoders, trainer.device, job.seed),
    }
    return report | {name: value for name, value in found.items() if value}


def lines(report: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The report as a table: what, pretrained, random weights, and what to compare them with."""
    rows = []
    for key, found in report.get("masked", {}).items():
        beside = f"most frequent word {found['majority']:.0%}, {found['words']:,} words"
        rows.append((f"hidden words of {key} guessed", f"{found['accuracy']:.0%}", "", beside))
    for way, found in report.get("retrieval", {}).items():
        beside = f"chance {found['chance@1']:.1%}, {found['chance@5']:.1%} of {found['pool']}"
        figures = f"{found['recall@1']:.0%}, {found['recall@5']:.0%}"
        rows.append((f"{way}, recall@1 and @5", figures, "", beside))
    if found := report.get("paraphrases"):
        for name, what in (("same", "same meaning"), ("other", "other meaning")):
            ours, theirs = (found[who][name] for who in ("pretrained", "random"))
            rows.append((f"similarity, {what}", f"{ours:.2f}", f"{theirs:.2f}", "cosine"))
    for label, found in report.get("probes", {}).items():
        beside = f"observation {found['observation']:.2f}"
        if "majority" in found:
            beside += f", most frequent {found['majority']:.2f}"
        kind = "accuracy" if "majority" in found else "R2"
        row = (f"probe of {label}, {kind}", f"{found['pretrained']:.2f}", f"{found['random']:.2f}")
        rows.append((*row, beside))
    return rows


def _random(trainer: Trainer) -> Encoder:
    """The same encoder as it would be without pretraining."""
    job, experience = trainer.job, trainer.experience
    with Generators(spread("pretraining report", job.seed)):
        encoder = make_encoder(job.encoder, experience.observation_space, job.config)
    encoder.standardise(experience.statistics)
    return encoder.to(trainer.device).eval()


def _masked(trainer: Trainer, test: Windows) -> dict[str, Any]:
    objective = trainer.network.objective("masked")
    assert isinstance(objective, Masked)
    found = {}
    for key in objective.words:
        pairs = [
            objective.guess(trainer.network.encoder, clip, key)
            for clip in held_out_clips(test, CHUNK, trainer.device)
        ]
        if not pairs or not sum(len(true) for true, _ in pairs):
            continue
        true, guessed = (torch.cat(parts).cpu() for parts in zip(*pairs, strict=True))
        counts = np.unique(true.numpy(), return_counts=True)[1]
        found[key] = {
            "accuracy": round(float((true == guessed).float().mean()), 4),
            "majority": round(float(counts.max()) / len(true), 4),
            "words": len(true),
        }
    return found


def _retrieval(trainer: Trainer, test: Windows) -> dict[str, Any]:
    """Recall both ways, in a pool in which no two moments are the same to either sense."""
    objective = trainer.network.objective("crossmodal")
    assert isinstance(objective, Crossmodal)
    found = {}
    for a, b in objective.pairs:
        pool = _pool(test, a, b, trainer.device)
        if pool is None:
            continue
        encoder = trainer.network.encoder
        with torch.no_grad():
            one, two = (
                torch.cat([objective.embed(encoder, key, x) for x in torch.split(values, CHUNK)])
                for key, values in ((a, pool[0]), (b, pool[1]))
            )
        for way, likeness in ((f"{a} to {b}", one @ two.T), (f"{b} to {a}", two @ one.T)):
            found[way] = _recall(likeness)
    return found


def _recall(likeness: Tensor) -> dict[str, Any]:
    count = len(likeness)
    right = likeness.diagonal()[:, None]
    # Ties count against it: an encoder for which all is alike finds nothing.
    rank = (likeness >= right).sum(1) - 1
    found: dict[str, Any] = {"pool": count}
    for k in (1, 5):
        found[f"recall@{k}"] = round(float((rank < k).float().mean()), 4)
        found[f"chance@{k}"] = round(min(1.0, k / count), 4)
    return found


def _pool(test: Windows, a: str, b: str, device: torch.device) -> tuple[Tensor, Tensor] | None:
    """Moments that differ from one another in both senses; None of fewer than two."""
    order = np.random.default_rng(0).permutation(len(test))[:LOOKED_AT]
    seen: tuple[set[int], set[int]] = (set(), set())
    kept: list[tuple[Tensor, Tensor]] = []
    for begin in range(0, len(order), CHUNK):
        now = clip_of(test.take(order[begin : begin + CHUNK]), 0, Group(), device).at(0)
        prints = [fingerprints(now[key]).tolist() for key in (a, b)]
        for row, (one, two) in enumerate(zip(*prints, strict=True)):
            if len(kept) < POOL and one not in seen[0] and two not in seen[1]:
                seen[0].add(one)
                seen[1].add(two)
                kept.append((now[a][row], now[b][row]))
    if len(kept) < 2:
        return None
    return torch.stack([x for x, _ in kept]), torch.stack([x for _, x in kept])


def _paraphrases(encoders: dict[str, Encoder], device: torch.device) -> dict[str, Any]:
    """Mean cosine similarity of texts that mean the same, and of texts that do not."""
    spaces = encoders["pretrained"].observation_space.spaces
    keys = [key for key, space in spaces.items() if _reads(space)]
    if not keys:
        return {}
    texts = [text for group in PARAPHRASES for text in group]
    meaning = np.repeat(np.arange(len(PARAPHRASES)), [len(group) for group in PARAPHRASES])
    tokens = torch.from_numpy(_told(texts, (spaces[keys[0]].shape or (1,))[0])).to(device)
    same = meaning[:, None] == meaning
    apart = ~np.eye(len(texts), dtype=bool)
    found: dict[str, Any] = {}
    for name, encoder in encoders.items():
        with torch.no_grad():
            features = encoder({keys[0]: tokens})
        # What all texts have in common says nothing about their meaning.
        unit = functional.normalize(features - features.mean(0)).double()
        likeness = (unit @ unit.T).cpu().numpy()
        found[name] = {
            "same": round(float(likeness[same & apart].mean()), 4),
            "other": round(float(likeness[~same].mean()), 4),
        }
    return {**found, "texts": len(texts)}


def _reads(space: Any) -> bool:
    return form_of(space) is Form.WORDS and int(space.high.max()) == VOCABULARY_SIZE - 1


def _told(texts: list[str], length: int) -> NDArray[np.int32]:
    """Texts as an avatar is told them."""
    tokens = np.zeros((len(texts), length), np.int32)
    for row, text in zip(tokens, texts, strict=True):
        words = [TOLD, *encode(text)][:length]
        row[: len(words)] = words
    return tokens
