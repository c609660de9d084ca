"""Whatever an argument of a scenario is given: it is used, or one line names it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from als_engine.errors import ALSError
from als_engine.plugins.registry import registry
from als_engine.simulation import ARGUMENTS, check_arguments, simulate

ODD: tuple[Any, ...] = (
    None, True, -7, 0, 1 << 63, 3.5, float("nan"), "", "odd", "1", b"odd", (), [], [1, "two"],
    [None], {}, {"a": {"b": [None]}}, {1: 2}, np.array([1, 2]), np.int64(2), object(),
)  # fmt: skip


def own(id: str) -> list[str]:
    """The arguments of the task itself."""
    try:
        check_arguments(id, ["no such argument"])
    except ALSError as error:
        listed = str(error).partition("allowed: ")[2]
    return [name for name in listed.split(", ") if name not in ARGUMENTS]


@pytest.mark.parametrize("id", [spec.id for spec in registry.scenarios()])
def test_every_argument_takes_a_value_or_names_itself(id: str) -> None:
    for name in (*ARGUMENTS, *own(id)):
        for odd in ODD:
            try:
                simulation = simulate(id, **{name: odd})
            except ALSError as error:
                line = str(error)
                assert "\n" not in line, (name, odd)
                assert any(word in line for word in (name, name.split("_")[-1], "sensor")), line
            else:
                simulation.reset([0])
                simulation.observe()
                simulation.close()
