"""The simulation: N worlds of one task, advanced in lock-step by the only `step` there is.

`Simulation` (core.py) holds one object for each part of a step: `Levels` says what a world holds,
`Company` who drives whom, `Acting` turns actions into forces, `Moving` moves the bodies, `Scoring`
keeps rewards and ends, `Observing` lets the sensors look. `Snapshots` takes moments of all of them.
"""

from __future__ import annotations

from als_engine.simulation.arguments import Arguments
from als_engine.simulation.captions import Captions
from als_engine.simulation.core import Simulation
from als_engine.simulation.making import ARGUMENTS, check_arguments, simulate
from als_engine.simulation.scoring import term_key

__all__ = [
    "ARGUMENTS",
    "Arguments",
    "Captions",
    "Simulation",
    "check_arguments",
    "simulate",
    "term_key",
]
