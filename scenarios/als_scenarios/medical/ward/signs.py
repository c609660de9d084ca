"""What can be seen and heard of the ward's state: monitors, lamps, alarms, announcements, doses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.world.arrays import NOTHING
from als_engine.world.layout import rgb
from als_scenarios.medical.ward.monitors import ALARM_LOW, SILENT, clock, monitor_text
from als_scenarios.medical.ward.plans import MINUTES, START
from als_scenarios.medical.ward.room import LAMP_COLORS, PAPERS, TRAY_COLORS, TRAYS, first_dose

if TYPE_CHECKING:
    from als_engine.world.state import WorldState

_CALL_STEPS: Final = 8
_TRAY_RGB: Final = np.array([rgb(color) for color in TRAY_COLORS], np.uint8)
_LAMP_RGB: Final = np.array([rgb(color) for color in LAMP_COLORS], np.uint8)
_PAPER_RGB: Final = np.array([rgb(color) for color in PAPERS], np.uint8)


def carry(state: WorldState, num_beds: int) -> None:
    """Lets everybody see what nurses have in their hands, from the step after they drew it."""
    props, avatars, first = state.props, state.avatars, first_dose(num_beds)
    doses, who = slice(first, first + state.num_avatars), np.arange(state.num_avatars)
    has, had = state["hand_doses"] > 0, avatars.held != NOTHING
    props.present[:, doses] = has & had
    props.holder[:, doses] = np.where(has, who, NOTHING)
    props.color[:, doses] = _TRAY_RGB[state["hand_tray"]]
    avatars.held[:] = np.where(has, first + who, NOTHING)
    state.moved[:, doses] |= has != had


def show(state: WorldState, num_beds: int) -> None:
    """Signs, lamps and voices, where there is something new."""
    if state["rewrite"].any():
        for bed in range(num_beds):
            worlds = np.flatnonzero(state["rewrite"][:, bed])
            if worlds.size:
                texts = [_text(state, world, bed) for world in worlds.tolist()]
                state.write(f"monitor {bed + 1}", worlds, texts)
    if state["alarmed"].any():
        _sound_alarms(state, num_beds)
    if state["called"].any():
        _call(state)
    over = state["call_ends"] == state.step
    if over.any():
        state.say("kitchen", over, "")


def _text(state: WorldState, world: int, bed: int) -> str:
    read_at, step = int(state["read_at"][world, bed]), int(state.step[world])
    due = float(state["due_grams"][world, bed]), float(state["due_in"][world, bed])
    now = START + MINUTES * step
    return monitor_text(
        bed,
        float(state["read_glucose"][world, bed]),
        float(state["read_trend"][world, bed]),
        NOTHING if read_at == NOTHING else START + MINUTES * read_at,
        (due[0], now + due[1]),
        float(state["iob"][world, bed].sum()),
    )


def _sound_alarms(state: WorldState, num_beds: int) -> None:
    """Lamps, monitors and voices of the beds whose alarm has begun or ended."""
    alarm, first_lamp = state["alarm"], num_beds + len(TRAYS)
    world, bed = np.nonzero(state["alarmed"])
    kind = alarm[world, bed]
    state.props.color[world, first_lamp + bed] = _LAMP_RGB[kind]
    state.signs.paper[world, bed] = _PAPER_RGB[kind]
    for w, b, now in zip(world.tolist(), bed.tolist(), kind.tolist(), strict=True):
        what = "" if now == SILENT else "low" if now == ALARM_LOW else "high"
        state.say(f"alarm {b + 1}", [w], what and f"bed {b + 1}: glucose is {what}")


def _call(state: WorldState) -> None:
    """The kitchen announces the meals of these beds."""
    called = state["called"]
    for world in np.flatnonzero(called.any(1)).tolist():
        due = state["due_in"][world], state["due_grams"][world]
        now = START + MINUTES * int(state.step[world])
        meals = [
            f"bed {b + 1} {due[1][b]:.0f} g at {clock(now + float(due[0][b]))}"
            for b in np.flatnonzero(called[world]).tolist()
        ]
        state.say("kitchen", [world], "meal: " + ", ".join(meals))
        state["call_ends"][world] = state.step[world] + _CALL_STEPS
