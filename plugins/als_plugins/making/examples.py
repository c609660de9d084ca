"""What makers learn from and make: examples, and which class each belongs to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Examples"]


class Examples(NamedTuple):
    """Examples with their labels.

    Attributes:
        values: (examples, channels, ...) float32: pictures or sequences; for `makers` from -1 to 1.
        labels: (examples,), the class of each.
    """

    values: NDArray[np.float32]
    labels: NDArray[np.int64]
