"""Paraphrases of the bundled scenarios' instructions."""

from __future__ import annotations

from typing import Final

__all__ = ["PARAPHRASES"]

PARAPHRASES: Final[tuple[tuple[str, ...], ...]] = (
    ("tag everyone in blue", "catch all who wear blue", "touch every blue player"),
    ("keep away from everyone in red", "stay clear of all who wear red", "flee from red players"),
    (
        "What is 3 + 4? Stand on the answer.",
        "What is three plus four? Stand on the answer.",
        "Add 3 and 4, then go to the pad with the result.",
    ),
    (
        "What is 9 - 2? Stand on the answer.",
        "What is nine minus two? Stand on the answer.",
        "Take 2 from 9, then go to the pad with the result.",
    ),
    (
        "blue parcel to desk three",
        "bring the blue parcel to desk three",
        "desk three gets the blue parcel",
    ),
    (
        "red parcel to desk five",
        "bring the red parcel to desk five",
        "desk five gets the red parcel",
    ),
    (
        "push the crate to the red zone",
        "move the crate into the red zone",
        "the crate belongs in the red zone",
    ),
    (
        "measure what you need to know, then sign at the benign or the malignant desk",
        "take the measurements that you need, then sign at the desk: benign or malignant",
        "find out what is missing, and decide for the benign or the malignant desk",
    ),
)
"""Groups of texts; those of a group mean the same, those of different groups do not."""
