"""Writes a world as the page draws it: the scene that the raster draws, as things with a pose.

A thing is what moves as one: a wall, a prop with all its parts, a sign, a screen, an avatar with
what its effectors look like. `look.NAME` says what it consists of, in its own frame, and seldom
changes; `pose.NAME` is where that frame is, `[x, y, z, qx, qy, qz, qw]`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from als_engine.render import scene
from als_engine.sensors.camera import EYE_HEIGHT
from als_engine.world.arrays import NOTHING, SHAPE_COMPOUND
from als_engine.world.state import WorldState
from als_plugins.serve.turns import apply, columns, inverse, product, quaternions

__all__ = ["Describer", "as_png", "names_of"]

KINDS: Final = ("nothing", "ground", "wall", "fixed", "movable", "portable", "sign", "avatar")
FORMS: Final = ("box", "ball", "cylinder", "board", "screen")
PLACES: Final = 3
"""Decimals of metres: a millimetre."""
TURNS: Final = 4
"""Decimals of quaternions: about 0.01 degrees."""
SAME: Final = 2e-3
"""How far a part may be from where it was in its thing, and be the same part."""


def names_of(state: WorldState, world: int = 0) -> list[str]:
    """The thing of each primitive of a world, in the order in which `scene.fill` has them.

    They are numbered as in the state, so that a thing keeps its name while others come and go.
    """
    p, signs, avatars = state.props, state.signs, state.avatars
    names = [f"wall{i}" for i in range(int(state.walls.count[world]))]
    parts = state.parts.owner[world, : int(state.parts.count[world])].tolist()
    for i in np.flatnonzero(p.present[world]).tolist():
        count = parts.count(i) if p.shape[world, i] == SHAPE_COMPOUND else 1
        names += [f"prop{i}"] * count
    names += [f"sign{i}" for i in np.flatnonzero(signs.present[world]).tolist()]
    names += [f"screen{i}" for i in range(len(state.screens.names))]
    looks = state.bodies.looks[0].tolist()
    for i in np.flatnonzero(avatars.present[world]).tolist():
        names += [f"avatar{i}"] * (scene.PARTS + looks.count(i))
    return names


class Describer:
    """What is to be written on the board of one world."""

    def __init__(self, state: WorldState, world: int = 0) -> None:
        """Looks at a world of a state; nothing is described yet."""
        self._state, self._number = state, world
        self._scene: scene.Scene | None = None
        self._world = np.zeros(1, np.intp)
        self._names: list[str] = []
        self._first: NDArray[np.intp] = np.zeros(0, np.intp)
        self._signature: list[Any] = []
        self._poses: NDArray[np.float64] = np.zeros((0, 7))
        self._parts: NDArray[np.float64] = np.zeros((0, 10))
        self._pictures: dict[str, bytes] = {}

    def changes(self) -> dict[str, Any]:
        """What differs from the last call, by key; None for what is there no more."""
        content = self._filled()
        n = int(content.size[0])
        axes = content.frame[0, :n].astype(np.float64)
        half = 1.0 / np.sqrt((axes**2).sum(-1))
        turns = quaternions(columns(axes * half[..., None]))
        signature = self._sign(content, n)
        found: dict[str, Any] = {}
        if signature != self._signature:
            found.update(self._rename())
            self._signature = signature
        first = self._first
        pose = np.concatenate([content.center[0, :n][first], turns[first]], 1)
        own = self._within(content.center[0, :n], turns, pose)
        parts = np.concatenate([own, half], 1)
        found.update(self._looks(content, parts))
        found.update(self._moved(pose))
        found.update(self._shown())
        return found

    def _filled(self) -> scene.Scene:
        state = self._state
        room = scene.capacity(state)
        if self._scene is None or self._scene.size.size == 0 or room > self._scene.form.shape[1]:
            self._scene = scene.new_scene(1, room, len(state.signs.names))
        self._scene = scene.fill(self._scene, state, self._world, self._number)
        return self._scene

    def _sign(self, content: scene.Scene, n: int) -> list[Any]:
        """What decides on names and looks beside where the parts are."""
        state, w = self._state, self._number
        return [
            state.walls.count[w], state.parts.count[w], state.props.present[w].tobytes(),
            state.signs.present[w].tobytes(), state.avatars.present[w].tobytes(),
            content.form[0, :n].tobytes(), _colors(content, n).tobytes(),
            state.signs.version[w], state.level[w],
        ]  # fmt: skip

    def _rename(self) -> dict[str, Any]:
        """Names the primitives anew; what has gone is None."""
        names = names_of(self._state, self._number)
        starts = [i for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
        self._first = np.array(starts, np.intp)
        self._thing = np.searchsorted(self._first, np.arange(len(names)), side="right") - 1
        old, self._names = self._names, [names[i] for i in starts]
        self._poses = np.full((len(starts), 7), np.nan)
        self._parts = np.full((len(names), 10), np.nan)
        gone = set(old) - set(self._names)
        return {f"{key}.{name}": None for name in sorted(gone) for key in ("look", "pose")}

    def _within(
        self, center: NDArray[np.float64], turns: NDArray[np.float64], pose: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Where each part is in the frame of its thing, (parts, 7)."""
        of = pose[self._thing]
        back = inverse(of[:, 3:])
        return np.concatenate([apply(back, center - of[:, :3]), product(back, turns)], 1)

    def _looks(self, content: scene.Scene, parts: NDArray[np.float64]) -> dict[str, Any]:
        """The looks of the things of which a part has changed."""
        with np.errstate(invalid="ignore"):
            same = (np.abs(parts - self._parts) < SAME).all(-1)
        if same.all():
            return {}
        things = np.unique(self._thing[~same]).tolist()
        changed = np.isin(self._thing, things)
        self._parts[changed] = parts[changed]
        colors, ends = _colors(content, len(parts)), [*self._first.tolist(), len(parts)]
        kinds = np.asarray(content.paint[0, : len(parts), 0] >> 24) & 0x7F
        found: dict[str, Any] = {}
        for i in things:
            rows = range(ends[i], ends[i + 1])
            name = self._names[i]
            found[f"look.{name}"] = {
                "kind": KINDS[int(kinds[rows[0]])],
                "parts": [self._part(content, row, parts[row], colors[row]) for row in rows],
                **self._words(name),
            }
        return found

    def _part(
        self, content: scene.Scene, row: int, part: NDArray[np.float64], color: NDArray[np.int64]
    ) -> dict[str, Any]:
        form = int(content.form[0, row])
        found: dict[str, Any] = {
            "form": FORMS[form],
            "at": _rounded(part[:3], PLACES),
            "turn": _rounded(part[3:7], TURNS),
            "half": _rounded(part[7:], TURNS),
            "colors": [f"#{int(each):06x}" for each in color if each != NOTHING],
        }
        if len(found["colors"]) > 1:
            found["rule"] = int(content.rule[0, row])
        return found

    def _words(self, name: str) -> dict[str, Any]:
        """What stands on a sign, or what a screen's or a prop's name is."""
        state = self._state
        kind, number = name.rstrip("0123456789"), int(name.lstrip("abcdefghijklmnopqrstuvwxyz"))
        if kind == "sign":
            ink = state.signs.ink[self._number, number].tolist()
            text = state.signs.text[self._number][number]
            return {"text": text, "ink": "#{:02x}{:02x}{:02x}".format(*ink)}
        if kind == "avatar":
            radius, height = state.bodies.radius[number], state.bodies.height[number]
            eyes = float(height) * EYE_HEIGHT
            return {
                "avatar": number, "radius": float(radius), "height": float(height), "eyes": eyes
            }  # fmt: skip
        return {}

    def _moved(self, pose: NDArray[np.float64]) -> dict[str, Any]:
        pose = np.concatenate([pose[:, :3].round(PLACES), pose[:, 3:].round(TURNS)], 1) + 0.0
        moved = np.flatnonzero((pose != self._poses).any(-1)).tolist()
        self._poses = pose
        rows = pose[moved].tolist()
        return {f"pose.{self._names[i]}": row for i, row in zip(moved, rows, strict=True)}

    def _shown(self) -> dict[str, Any]:
        """The pictures on screens that have changed, as PNG."""
        screens, found = self._state.screens, {}
        for i in range(len(screens.names)):
            rows, columns_ = screens.pixels[i].tolist()
            picture = screens.picture[self._number, i, :rows, :columns_]
            content = picture.tobytes() if screens.on[self._number, i] else b""
            if self._pictures.get(f"screen{i}") != content:
                self._pictures[f"screen{i}"] = content
                found[f"picture.screen{i}"] = as_png(picture) if content else ""
        return found


def _colors(content: scene.Scene, n: int) -> NDArray[np.int64]:
    """The colours of each primitive as it would be in even light, (n, 3); -1 for none.

    Boxes hold their faces as lit; the darkest one has lost nothing to the top of the scale.
    """
    paint = content.paint[0, :n].astype(np.int64)
    form = content.form[0, :n]
    flat = (form == scene.BALL) | (form == scene.CYLINDER)
    axes = content.frame[0, :n].astype(np.float64)
    cosine = (axes @ scene.LIGHT.astype(np.float64)) / np.sqrt((axes**2).sum(-1))
    # The faces +y, -y, +z and -z: that towards a sign's reader has a lamp of its own.
    faces = np.stack([cosine[:, 1], -cosine[:, 1], cosine[:, 2], -cosine[:, 2]], 1)
    darkest = faces.argmin(1)
    shade = float(scene.AMBIENT) + float(scene.SUN) * faces[np.arange(n), darkest]
    lit = paint[np.arange(n), darkest + 2]
    # What is packed was cut off: it was half a step more on average.
    bare = [np.minimum((((lit >> shift) & 255) + 0.5) / shade, 255) for shift in (0, 8, 16)]
    boxes = np.stack([_packed(*bare), *([np.full(n, NOTHING)] * 2)], 1)
    rounds = _packed(*((paint[:, :3] >> shift) & 255 for shift in (0, 8, 16)))
    plain = (content.owner[0, :n] < 0) | (content.rule[0, :n] != _tones(content, n))
    rounds[plain, 1:] = NOTHING
    return np.where(flat[:, None], rounds, boxes)


def _tones(content: scene.Scene, n: int) -> NDArray[np.int32]:
    """The rule of parts that have three colours: those of a trunk, shoulders and a head."""
    rule: NDArray[np.int32] = content.rule[0, :n]
    paint = content.paint[0, :n]
    several = (paint[:, 1] != paint[:, 0]) | (paint[:, 2] != paint[:, 0])
    return np.where(several, rule, -1).astype(np.int32)


def _packed(r: Any, g: Any, b: Any) -> NDArray[np.int64]:
    packed: NDArray[np.int64] = np.asarray(
        (np.asarray(r, np.int64) << 16) | (np.asarray(g, np.int64) << 8) | np.asarray(b, np.int64)
    )
    return packed


def _rounded(values: NDArray[np.float64], places: int) -> list[float]:
    found: list[float] = (values.round(places) + 0.0).tolist()
    return found


def as_png(picture: NDArray[np.uint8]) -> str:
    """A picture as a `data:` address that holds it."""
    import base64
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")
