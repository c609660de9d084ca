"""Whether made pictures help, how far they are from real ones, and whether they are copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from als_engine.seeding import Generators, spread
from als_plugins.making.examples import Examples
from als_plugins.making.makers import turned
from als_plugins.making.networks import Classifier

__all__ = ["classified", "compared", "copied", "frechet"]

FEATURES: Final = 32


def classified(
    training: Sequence[Examples], test: Examples, seed: int, steps: int = 300, augment: bool = True
) -> NDArray[np.float64]:
    """How likely a classifier finds each of some scans to be malignant.

    Args:
        training: what it learns from; each part gives as many scans to every batch.
        test: what it is asked about.
        seed: of weights and order.
        steps: gradient steps, the same whatever it learns from.
        augment: whether scans are turned and mirrored.

    Returns:
        (scans,), from 0 to 1.
    """
    rng = np.random.default_rng(spread("classifier batches", seed))
    each = 32 // len(training)
    with Generators(spread("classifier", seed)):
        network = Classifier()
        adam = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-2)
        for step in range(steps):
            places = [rng.integers(len(part.labels), size=each) for part in training]
            both = list(zip(training, places, strict=True))
            pictures = torch.from_numpy(np.concatenate([part.values[p] for part, p in both]))
            labels = torch.from_numpy(np.concatenate([part.labels[p] for part, p in both]))
            if augment:
                pictures = turned(pictures, rng)
            for group in adam.param_groups:
                group["lr"] = 3e-3 * (1.0 - step / steps)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                network(pictures), labels.float()
            )
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
        with torch.no_grad():
            likely = network(torch.from_numpy(test.values)).sigmoid()
    found: NDArray[np.float64] = likely.double().numpy()
    return found


def frechet(made: Examples, real: Examples, every: Examples) -> float:
    """The Fréchet distance of made examples to real ones (Heusel et al. 2017), 0 if they are alike.

    In place of a network's features the leading principal components are compared, in units of the
    real ones' mean variance: no network has seen such examples before.

    Args:
        made: what is judged.
        real: what it is to be like.
        every: whose principal components are taken, the same for all that is compared.
    """
    from scipy.linalg import sqrtm
    from sklearn.decomposition import PCA

    flat = every.values.reshape(len(every.labels), -1)
    found = PCA(min(FEATURES, len(flat)), random_state=0).fit(flat)
    one, other = (
        found.transform(each.values.reshape(len(each.labels), -1)) for each in (made, real)
    )
    means = np.square(one.mean(0) - other.mean(0)).sum()
    a, b = np.cov(one.T), np.cov(other.T)
    root = np.real(sqrtm(a @ b))
    distance = means + np.trace(a + b - 2.0 * root)
    return float(distance / np.trace(b))


def copied(made: Examples, learnt: Examples, others: Examples) -> float:
    """How much closer made examples are to what was learnt from than other real ones are.

    The median distance of a made one to the nearest that was learnt from, over that of real ones
    that were not; pictures may be turned or mirrored in any way. 1 is as far as anybody else's;
    towards 0 they are copies.
    """
    ways = [learnt.values]
    if learnt.values.ndim == 4:
        ways = [np.rot90(learnt.values, turn, (2, 3)) for turn in range(4)]
        ways += [np.flip(each, 3) for each in ways]
    known = np.concatenate(ways).reshape(len(ways) * len(learnt.labels), -1)

    def nearest(values: NDArray[np.float32]) -> float:
        flat = values.reshape(len(values), -1)
        squares = (flat**2).sum(1)[:, None] + (known**2).sum(1) - 2.0 * flat @ known.T
        return float(np.median(np.sqrt(np.maximum(squares, 0.0).min(1))))

    return nearest(made.values) / nearest(others.values)


def compared(
    made: Examples, learnt: Examples, others: Examples, every: Examples
) -> dict[str, float]:
    """What a command says of made examples: how far they are from others, and how near to copies.

    Args:
        made: what is judged.
        learnt: the real ones that were learnt from.
        others: real ones that nobody has learnt from.
        every: as `frechet` takes it.
    """
    return {
        "frechet": round(frechet(made, others, every), 4),
        "frechet_of_real": round(frechet(learnt, others, every), 4),
        "distance_to_copies": round(copied(made, learnt, others), 4),
    }
