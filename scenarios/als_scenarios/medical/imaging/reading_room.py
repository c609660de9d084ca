"""The reading room as a place: a lightbox between labelled cases, three trays and a phone.

North is +y. The reader stands in the middle before the lightbox on the north wall. Lengths are
metres.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from als_engine.geometry import portable_math as pmath
from als_engine.world.layout import Box, Layout, Prop, Sign, SoundSource, Spawn, Sphere
from als_engine.world.room import Room
from als_engine.world.screens import Screen
from als_scenarios.medical.imaging.scans import PIXELS, scans
from als_scenarios.medical.imaging.scores import CATEGORIES
from als_scenarios.medical.imaging.worklist import ON_SHELF, Worklist

WIDTH, DEPTH = 5.8, 5.2
SCREEN: Final = 1.9
"""Edge of the lightbox's picture."""
SCREEN_HEIGHT: Final = 1.31
"""Of its middle: where the eyes of a reader at the reading place look."""
READING_PLACE: Final = (0.0, DEPTH / 2 - 1.25)

READER: Final = 0
"""The avatar whose filing counts."""

TRAYS: Final = tuple(f"{category} tray" for category in CATEGORIES)
PHONE: Final = len(TRAYS)
"""The index of the phone's prop; those of the trays are the categories' own."""
LAMPS: Final = ("benign lamp", "malignant lamp")
"""Light up with the second opinion."""
MAT: Final = "reading mat"
LIGHTBOX: Final = "lightbox"
SHELVES: Final = ("benign cases", "malignant cases")
BOARD: Final = "board"
VOICE: Final = "phone voice"

_TRAY_COLORS: Final = ("green", "yellow", "red")
_TRAY = Box(0.6, 0.6, 0.74)
_OUT = 1.95  # Of a tray from the reading place, and of those aside from the middle of the room.
_JITTER = 0.05
_CONSOLE = Box(0.4, 0.4, 0.95)
_SHELF = 1.3
_SHELF_AT = (2.0, 1.5)  # How far aside of the lightbox, and how high.
_PHONE_AT = (1.3, -0.15)
_WALL_COLORS = ((176, 190, 204), (188, 196, 186), (200, 192, 206), (206, 198, 182))
_WOOD = ((150, 116, 84), (122, 96, 76), (172, 148, 118))
_DARK, _METAL = (28, 30, 36), (206, 212, 220)


def reading_room(rng: np.random.Generator, num_avatars: int, worklist: Worklist) -> Layout:
    """Draws a reading room with the first case on its lightbox."""
    color = _WALL_COLORS[int(rng.integers(len(_WALL_COLORS)))]
    wood = _WOOD[int(rng.integers(len(_WOOD)))]
    room = Room(WIDTH, DEPTH, height=2.9, color=color)
    room.occupy(READING_PLACE, 0.75)
    side = 1.0 if rng.random() < 0.5 else -1.0
    props, signs = _trays(rng, room)
    more, boards = _phone(room, (_PHONE_AT[0] * side, _PHONE_AT[1]))
    props |= more
    signs |= boards | _titles(room, len(worklist.patient))
    furniture = _furniture(rng, room, wood)
    return Layout(
        walls=[*room.walls(), *furniture],
        props=props,
        signs=signs,
        screens=_screens(room, worklist),
        sounds={VOICE: SoundSource(props["phone"].center, on=False)},
        spawns=_spawns(rng, room, num_avatars),
        instruction="read each scan, then file it: routine, follow-up or biopsy; "
        "the phone has a second opinion",
    )


def board_text(current: int, cases: int, opinion: str = "") -> str:
    """The text of the board: which case is on, and the second opinion on it."""
    if current >= cases:
        return "ALL CASES\nARE FILED"
    return f"CASE {current + 1} OF {cases}" + (f"\n2ND OPINION:\n{opinion}" if opinion else "")


def _trays(rng: np.random.Generator, room: Room) -> tuple[dict[str, Prop], dict[str, Sign]]:
    """Routine to the left of the reader, follow-up behind, biopsy to the right."""
    props: dict[str, Prop] = {}
    signs: dict[str, Sign] = {}
    x, y = READING_PLACE
    ways = ((-1.0, 0.0), (0.0, -1.0), (1.0, 0.0))
    shifts = rng.uniform(-_JITTER, _JITTER, len(TRAYS)).tolist()
    for name, color, (to_x, to_y), shift in zip(TRAYS, _TRAY_COLORS, ways, shifts, strict=True):
        at = (x + _OUT * to_x + shift * to_y, y + _OUT * to_y - 0.12 + shift * to_x)
        props[name] = room.add(Prop(_TRAY, at, color=color, usable=True))
        heading = math.pi / 2 if to_x == 0.0 else (0.0 if to_x < 0 else math.pi)
        signs |= _boards(name, (at[0] + 0.2 * to_x, at[1] + 0.2 * to_y, 0.87), heading)
    return props, signs


def _phone(room: Room, at: tuple[float, float]) -> tuple[dict[str, Prop], dict[str, Sign]]:
    """The phone on its console, the lamps that light up with its answer, and the reader's mat."""
    props = {"phone": room.add(Prop(_CONSOLE, at, color="blue", usable=True))}
    for name, lamp, x in zip(LAMPS, ("green", "red"), (-1.09, 1.09), strict=True):
        place = (x, DEPTH / 2 - 0.1, SCREEN_HEIGHT)
        props[name] = Prop(Sphere(0.08), place, color=lamp, solid=False, present=False)
    props[MAT] = Prop(Box(0.9, 0.9, 0.02), READING_PLACE, color=(96, 108, 128), solid=False)
    return props, _boards("phone", (*at, 1.07), math.pi / 2)


def _titles(room: Room, cases: int) -> dict[str, Sign]:
    """The board above the lightbox, and what the labelled cases are."""
    where, facing = room.on_wall("north", z=2.56, out=0.03)
    signs = {BOARD: Sign(board_text(0, cases), where, facing, 1.2, 0.5)}
    for name, paper, to in zip(SHELVES, ("green", "red"), (-1.0, 1.0), strict=True):
        where, facing = room.on_wall("north", to * _SHELF_AT[0], z=2.34, out=0.03)
        signs[f"{name} sign"] = Sign(name.upper(), where, facing, 1.3, 0.22, paper, "white")
    return signs


def _boards(name: str, at: tuple[float, float, float], heading: float) -> dict[str, Sign]:
    """A board on a tray or on the phone, to be read from both sides."""
    text, (x, y, z) = name.removesuffix(" tray").upper(), at
    back = (x - 0.03 * pmath.cos(heading), y - 0.03 * pmath.sin(heading), z)
    return {
        f"{name} sign": Sign(text, at, heading, 0.56, 0.25),
        f"{name} sign, back": Sign(text, back, heading + math.pi, 0.56, 0.25),
    }


def _screens(room: Room, worklist: Worklist) -> dict[str, Screen]:
    """The lightbox with the first case, and to each side of it four labelled cases."""
    style = np.array([worklist.scanner])
    first = scans(worklist.patient[:1], worklist.view[:1], style)[0]
    half = PIXELS // 2
    labels = scans(
        worklist.shelf.ravel(), worklist.shelf_view.ravel(), style.repeat(2 * ON_SHELF), half
    )
    # Two rows of two: (kind, row, column, y, x, channel) to one picture for each kind.
    sheets = labels.reshape(2, 2, 2, half, half, 3).swapaxes(2, 3).reshape(2, PIXELS, PIXELS, 3)
    sheets[:, half - 1 : half + 1] = sheets[:, :, half - 1 : half + 1] = _DARK
    where, facing = room.on_wall("north", z=SCREEN_HEIGHT, out=0.05)
    screens = {LIGHTBOX: Screen(first, where, facing, SCREEN, SCREEN)}
    for name, to, sheet in zip(SHELVES, (-1.0, 1.0), sheets, strict=True):
        where, facing = room.on_wall("north", to * _SHELF_AT[0], z=_SHELF_AT[1], out=0.05)
        screens[name] = Screen(sheet, where, facing, _SHELF, _SHELF)
    return screens


def _furniture(rng: np.random.Generator, room: Room, wood: tuple[int, int, int]) -> list[Prop]:
    """Frames, a bench, a cabinet and a plant: what nobody has to tell apart."""
    north, frame, shelf = DEPTH / 2 - 0.02, SCREEN + 0.1, _SHELF + 0.1
    pot = room.place_along(rng, "south", Prop(Box(0.4, 0.4, 0.4), (0, 0), color=wood))
    return [
        pot,
        Prop(Box(0.42, 0.42, 0.7), (*pot.position[:2], 0.75), color=(58, 104, 66)),
        Prop(Box(frame, 0.04, frame), (0.0, north, SCREEN_HEIGHT), color=_DARK),
        Prop(Box(shelf, 0.04, shelf), (-_SHELF_AT[0], north, _SHELF_AT[1]), color=wood),
        Prop(Box(shelf, 0.04, shelf), (_SHELF_AT[0], north, _SHELF_AT[1]), color=wood),
        room.place_along(rng, "south", Prop(Box(1.3, 0.42, 0.46), (0, 0), color=wood)),
        room.place_along(rng, "south", Prop(Box(0.8, 0.4, 1.25), (0, 0), color=_METAL)),
    ]


def _spawns(rng: np.random.Generator, room: Room, num_avatars: int) -> list[Spawn]:
    """The reader before the lightbox; everybody else in the southern half of the room."""
    x, y = rng.uniform(-0.12, 0.12, 2).tolist()
    turn = math.pi / 2 + float(rng.uniform(-0.25, 0.25))
    spawns = [Spawn((READING_PLACE[0] + x, READING_PLACE[1] + y), turn)]
    for _ in range(num_avatars - 1):
        spot = room.free_spot(rng, 0.3, near=(0.0, -1.35), within=1.6)
        spawns.append(Spawn(spot, float(rng.uniform(-math.pi, math.pi))))
    return spawns


def usable_places(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where one stands to use each tray and the phone, from where they stand.

    Args:
        position: (worlds, 4, 2).

    Returns:
        (worlds, 4, 2): on the line to the reading place, 1.2 m from a tray, 0.95 m from the phone.
    """
    to = np.array(READING_PLACE) - position
    away = np.sqrt((to * to).sum(-1, keepdims=True))
    off = np.full((len(TRAYS) + 1, 1), 1.2)
    off[PHONE] = 0.95
    return np.asarray(position + to * (off / away))
