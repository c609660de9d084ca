"""What can be seen and heard of the town's state: signs, the voice of who asks, marks, clothes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from als_engine.system.compiling import inner, kernel
from als_engine.world.arrays import NOTHING
from als_engine.world.layout import Box, Cylinder, Prop, SoundSource, Sphere, rgb
from als_scenarios.tourism.tour.sculptures import Column, Statue, Vase
from als_scenarios.town.world.block import BOARD_AT, POST, POSTS, Block
from als_scenarios.town.world.day import clock
from als_scenarios.town.world.errands import (
    DONE,
    FIRST,
    GIVER,
    OPEN,
    OPENS,
    RIGHT,
    SECOND,
    SICK,
    STAGE,
    STATUS,
    TASK,
    TURNED,
    WORDING,
    hears,
    is_known,
    is_open,
    knows,
    moment,
    of_world,
)
from als_scenarios.town.world.items import (
    ATTRIBUTES,
    BUILD,
    COLORS,
    KINDS,
    MEDICINES,
    MUSEUM,
    OFFICE,
    PLACES,
    PULSES,
    ROLES,
    SCHOOL,
    SIZES,
    TEMPERATURES,
    TREAT,
    WARD,
    YARD,
    request,
)
from als_scenarios.town.world.reach import USABLE
from als_scenarios.town.world.requests import ERRANDS, URGENT

if TYPE_CHECKING:
    from als_engine.navigation import Navigator
    from als_engine.world.state import WorldState

CLOTHES: Final = (
    (52, 84, 160), (236, 196, 60), (238, 240, 244), (110, 180, 110), (90, 90, 100), (224, 128, 60),
    (226, 110, 150), (128, 76, 160), (80, 160, 170),
)  # fmt: skip
"""Of the inhabitants, in their order."""

HELPER: Final = "red"
ILL: Final = np.array((176, 196, 150), np.uint8)

_MEDICINES: Final = ((196, 70, 70), (70, 120, 200), (230, 190, 70), (100, 170, 100))
_KINDS: Final = (
    (244, 240, 226), (150, 60, 56), (240, 170, 190), (240, 210, 90), (70, 90, 140), (120, 130, 130),
)  # fmt: skip
_NUMBER: Final = (46, 84, 70)
_EXHIBITS: Final = (
    (Column(), (222, 216, 200)), (Vase(), (88, 150, 84)), (Statue(), (238, 236, 230)),
    (Vase(), (44, 92, 188)), (Statue(), (104, 76, 48)), (Vase(), (190, 104, 60)),
)  # fmt: skip
_OPEN_LAMP, _SHUT_LAMP = np.array(rgb("green")), np.array((70, 72, 76))
_MARK_HEIGHT: Final = 2.15
_BLOCK: Final = 0.34
CLOCK_EVERY: Final = 15
"""Steps after which the clock is set anew."""

MARKS: Final = USABLE
"""The index of the first of two marks over who calls: for what is urgent the second."""

HANDS: Final = MARKS + 2
"""The index of the first of two things that helpers hold."""

BLOCKS: Final = HANDS + 2
GATE: Final = BLOCKS + 2
LAMPS: Final = GATE + 1


def props(block: Block, label: list[list[int]], shut: bool) -> dict[str, Prop]:
    """All props of a level, in their order."""
    things: dict[str, Prop] = {}
    for place, name in enumerate(PLACES):
        for k, aside in enumerate(block.across(place)):
            x, y = block.at(place, POST[place].depth, aside)
            heading = block.inwards(place) - np.pi / 2
            things[f"{name} post {k + 1}"] = _post(place, label[place][k], (x, y), heading)
    things["pillow"] = block.pillow()
    mark = Sphere(0.16)
    for name, color in (("call", "yellow"), ("urgent call", (255, 60, 40))):
        things[name] = Prop(mark, (0.0, 0.0, 3.0), color=color, solid=False, present=False)
    thing = Box(0.26, 0.2, 0.2)
    for k in range(2):
        things[f"held {k + 1}"] = Prop(thing, (0.0, 0.0), solid=False, present=False)
    for k in range(2):
        cube = Box(_BLOCK, _BLOCK, _BLOCK * (k + 1))
        things[f"block {k + 1}"] = Prop(cube, (0.0, 0.0), solid=False, present=False)
    bar, beside = block.gate()
    things["gate"] = bar if shut else Prop(bar.shape, beside, color="red")
    lamps = {name: prop for name, prop in block.furniture().items() if name.endswith("lamp")}
    return {**things, **lamps, **block.furniture(), **block.floors()}


def _post(place: int, label: int, where: tuple[float, float], heading: float) -> Prop:
    """What stands for something in a place."""
    z = POST[place].z
    if place == SCHOOL:
        board = Box(0.58, 0.06, 0.46)
        return Prop(board, (*where, z), heading, color=_NUMBER, usable=True, solid=False)
    if place == WARD:
        cabinet = Box(0.54, 0.36, 1.1)
        return Prop(cabinet, (*where, z), heading, color=_MEDICINES[label], usable=True)
    if place == OFFICE:
        parcel = Box(0.42, 0.3, 0.34)
        return Prop(parcel, (*where, z), heading, color=_KINDS[label], usable=True, solid=False)
    if place == MUSEUM:
        shape, color = _EXHIBITS[label // SIZES]
        middle = 0.6 + shape.half[2]
        return Prop(shape, (*where, middle), heading, color=color, usable=True, solid=False)
    disc = Cylinder(0.32, 0.06)
    return Prop(disc, (*where, z), color=COLORS[label], usable=True, solid=False)


def labels(label: list[list[int]]) -> list[list[str]]:
    """The texts of the labels of all posts."""
    texts = [[str(n) for n in label[SCHOOL]]]
    texts += [[MEDICINES[n] for n in label[WARD]], [KINDS[n] for n in label[OFFICE]]]
    texts.append(
        [f"{ATTRIBUTES[n // SIZES]} ***\n{ATTRIBUTES[n % SIZES]} **" for n in label[MUSEUM]]
    )
    return [*texts, [COLORS[n] for n in label[YARD]]]


def voice() -> dict[str, SoundSource]:
    """The voice of whoever asks."""
    return {"voice": SoundSource((0.0, 0.0, 1.5), on=False)}


# -- in every step --------------------------------------------------------------------------------


def show(state: WorldState, clothes: np.ndarray, navigator: Navigator) -> None:
    """Writes signs, moves marks, dresses people, opens the gate, where there is something new."""
    helpers = state["hand"].shape[1]
    voiced = state["voiced"].copy()
    wanted = np.zeros((state.num_worlds, 2, 4))
    _look(
        state.step, moment(state), clothes,
        (state.avatars.color, state.props.color[:, LAMPS : LAMPS + len(PLACES)], wanted),
        (state["voiced"], state.sounds.on, state.sounds.position), (_OPEN_LAMP, _SHUT_LAMP, ILL),
    )  # fmt: skip
    _mark(state, wanted)
    _carry(state, helpers)
    for world in np.flatnonzero(voiced != state["voiced"]).tolist():
        _say(state, world)
    turned = state["book"][..., TURNED]
    if turned.any():
        _turn(state, turned, navigator)
    _show_blocks(state)
    late = state.step % CLOCK_EVERY == 0
    if late.any():
        worlds = np.flatnonzero(late)
        state.write("clock", worlds, [clock_text(int(state.step[w])) for w in worlds.tolist()])


@kernel
def _look(step, tables, clothes, out, voice, colors):  # type: ignore[no-untyped-def]
    worn, lamps, marks = out
    voiced, sounds_on, sound_position = voice
    lit, dark, pale = colors
    for w in range(step.shape[0]):
        now = of_world(w, tables)
        helpers = now.hand.shape[0]
        for n in range(now.folk.shape[0]):
            for c in range(3):
                worn[w, helpers + n, c] = pale[c] if now.folk[n, SICK] else clothes[n, c]
        for p in range(lamps.shape[1]):
            opened = is_open(p, step[w], now)
            for c in range(3):
                lamps[w, p, c] = lit[c] if opened else dark[c]
        speaker = _mark_calls(now, marks[w])
        voiced[w] = NOTHING
        for e in range(ERRANDS):
            for h in range(helpers):
                spoken = now.book[e, STATUS] == OPEN and now.book[e, GIVER] >= 0
                if spoken and knows(h, e, now) and hears(e, h, now):
                    voiced[w], speaker = e, now.book[e, GIVER]
        sounds_on[w, 0] = speaker >= 0
        if speaker >= 0:
            sound_position[w, 0, 0] = now.position[helpers + speaker, 0]
            sound_position[w, 0, 1] = now.position[helpers + speaker, 1]


@inner
def _mark_calls(now, marks):  # type: ignore[no-untyped-def]
    """Writes where marks have to be; returns who calls, or NOTHING."""
    speaker = NOTHING
    for e in range(ERRANDS):
        k = 1 if e == URGENT else 0
        if now.book[e, STATUS] != OPEN or is_known(e, now) or marks[k, 3] > 0.0:
            continue
        n = now.book[e, GIVER]
        if n >= 0:
            a = now.hand.shape[0] + n
            marks[k, 0], marks[k, 1] = now.position[a, 0], now.position[a, 1]
            speaker = n
        else:
            marks[k, 0], marks[k, 1] = BOARD_AT[0] + 0.4, 0.4 * (2 * k - 1)
        marks[k, 2], marks[k, 3] = _MARK_HEIGHT, 1.0
    return speaker


def _mark(state: WorldState, wanted: np.ndarray) -> None:
    """Puts the marks over those who call, (worlds, 2, 4): x, y, z, and whether there is one."""
    props, marks = state.props, slice(MARKS, MARKS + 2)
    there = wanted[..., 3] > 0.0
    moves = there & (props.position[:, marks] != wanted[..., :3]).any(-1)
    changed = moves | (there != props.present[:, marks])
    if changed.any():
        np.copyto(props.position[:, marks], wanted[..., :3], where=there[..., None])
        props.present[:, marks] = there
        state.moved[:, marks] |= changed


def _carry(state: WorldState, helpers: int) -> None:
    """Lets everybody see what helpers hold, from the step after they took it."""
    props, avatars = state.props, state.avatars
    held, who = slice(HANDS, HANDS + helpers), np.arange(helpers)
    has, had = state["hand"][..., 0] != NOTHING, avatars.held[:, :helpers] != NOTHING
    if not (has | had).any():
        return
    props.present[:, held] = has & had
    props.holder[:, held] = np.where(has, who, NOTHING)
    kind, post = state["hand"][..., 0], np.maximum(state["hand"][..., 1], 0)
    place = np.where(kind == TREAT, WARD, OFFICE)
    taken = np.arange(state.num_worlds)[:, None], POSTS * place + post
    props.color[:, held] = props.color[taken]
    avatars.held[:, :helpers] = np.where(has, HANDS + who, NOTHING)
    state.moved[:, held] |= has != had


def _say(state: WorldState, world: int) -> None:
    """Puts what is understood into the voice's mouth."""
    e = int(state["voiced"][world])
    text = "" if e == NOTHING else asked(state, world, e)
    on = bool(state.sounds.on[world, 0])
    state.say("voice", [world], text)
    state.sounds.on[world, 0] = on


def asked(state: WorldState, world: int, e: int) -> str:
    """A request in words, with who makes it."""
    task, i, j, giver = state["book"][world, e, [TASK, FIRST, SECOND, GIVER]].tolist()
    text = request(task, i, j, int(state["book"][world, e, WORDING]))
    return text if giver == NOTHING else f"{ROLES[giver]}: {text}"


def _turn(state: WorldState, turned: np.ndarray, navigator: Navigator) -> None:
    """What is new on the board and the chart, and whether the gate opens."""
    for world in np.flatnonzero(turned.any(1)).tolist():
        state.write("board", [world], board_text(state, world))
        state.write("chart", [world], chart_text(state, world))
    opened = ((turned == DONE) & (state["book"][..., OPENS] > 0)).any(1)
    if opened.any():
        worlds = np.flatnonzero(opened)
        state.move("gate", worlds, state["gate_open"][worlds])
        navigator.refresh(worlds)


def _show_blocks(state: WorldState) -> None:
    """Lets what is built stand on the posts of the yard."""
    book = state["book"]
    build, status = book[..., TASK] == BUILD, book[..., STATUS]
    builds = build & (status == OPEN) & (book[..., STAGE] > 0)
    done = build & (book[..., TURNED] == DONE)
    some = (builds | done).any(1)
    blocks = slice(BLOCKS, BLOCKS + 2)
    if not some.any():
        return
    fresh = some & (~state.props.present[:, blocks].all(1))
    for world in np.flatnonzero(fresh).tolist():
        e = int((builds | done)[world].argmax())
        for k in range(2 if done[world, e] else 1):
            post = POSTS * YARD + int(book[world, e, RIGHT + k])
            if state.props.present[world, BLOCKS + k] and k == 0:
                continue
            x, y = state.props.position[world, post, :2].tolist()
            name, half = f"block {k + 1}", float(state.props.half[world, BLOCKS + k, 2])
            state.show(name, [world])
            state.move(name, [world], (x, y, 0.06 + half))
            state.props.color[world, BLOCKS + k] = state.props.color[world, post]


# -- texts ----------------------------------------------------------------------------------------


def clock_text(step: int) -> str:
    """The clock's."""
    return clock(step)


def board_text(state: WorldState, world: int) -> str:
    """The board's: what is asked for in writing, the urgent first."""
    book = state["book"][world]
    stands = (book[:, STATUS] == OPEN) & (book[:, GIVER] == NOTHING)
    every = np.flatnonzero(stands).tolist()
    if not every:
        return "NO REQUESTS"
    e = URGENT if URGENT in every else every[0]
    words = ("URGENT: " if e == URGENT else "") + asked(state, world, e)
    return wrapped(words)


def chart_text(state: WorldState, world: int) -> str:
    """The chart's."""
    book = state["book"][world]
    treats = (book[:, TASK] == TREAT) & (book[:, STATUS] == OPEN)
    if not treats.any():
        return "CHART"
    i, j = book[int(treats.argmax()), [FIRST, SECOND]].tolist()
    return f"CHART\n{TEMPERATURES[i]:.1f} C\npulse {PULSES[j]}"


def wrapped(words: str) -> str:
    """Up to four lines of sixteen characters."""
    lines = [""]
    for word in words.split():
        if len(lines[-1]) + len(word) + 1 > 16 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:4])
