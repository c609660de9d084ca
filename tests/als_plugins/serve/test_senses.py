"""What the page shows and sounds is what avatars see and hear, and looking changes nothing."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from serving import served
from tabs import chromium, tab

from als_engine.agents.saving import AgentRecord, make_agent, save_agent
from als_engine.sensors.audio import BAND_CENTERS
from als_engine.sensors.camera import first_person
from als_engine.simulation import simulate
from als_plugins.serve.eyes import Attention
from als_plugins.serve.limits import VIEW
from als_plugins.serve.opening import open_live
from als_plugins.serve.stage import LiveStage

__all__ = ["chromium"]

SIZE = 64
LEVEL = 5
"""On which one avatar sees another."""
AVATAR = 7
"""What the `semantic` sensor calls avatars."""
EYES = """([avatar, gone, size]) => {
  const { scene, things } = als, { camera, renderer } = scene, subject = things.avatar(avatar);
  scene.draw = () => false;
  for (const wall of things.walls()) while (wall.cut(null));
  const others = things.avatar(gone);
  if (others) others.group.visible = false;
  subject.group.visible = false;
  renderer.setPixelRatio(1);
  renderer.setSize(size, size, false);
  const at = subject.group.position, heading = subject.heading, pitch = (-8 * Math.PI) / 180;
  const z = at.z - subject.what.parts[0].half[2] + subject.what.eyes;
  camera.clearViewOffset();
  Object.assign(camera, { aspect: 1, fov: 90 });
  camera.updateProjectionMatrix();
  camera.position.set(at.x, at.y, z);
  const c = Math.cos(pitch);
  camera.lookAt(at.x + Math.cos(heading) * c, at.y + Math.sin(heading) * c, z + Math.sin(pitch));
  renderer.render(scene.scene, camera);
  const gl = renderer.getContext(), pixels = new Uint8Array(4 * size * size);
  gl.readPixels(0, 0, size, size, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  return [...pixels];
}"""
HEARD = """async ([at, facing]) => {
  const { place, samples, start } = await import("/sounds.js");
  const context = new OfflineAudioContext(2, 12000, 24000);
  const camera = als.scene.camera.clone();
  camera.position.set(0, 0, 1.5);
  camera.lookAt(...facing, 1.5);
  camera.updateMatrixWorld();
  place(context.listener, camera);
  start(context, samples([0, 0, 0, 0, 0, 1, 1, 0], 0, 24000, 0.5), at, true);
  // Chromium 156 may wait for ever where it renders while it still loads its model of ears.
  await new Promise((loaded) => setTimeout(loaded, 500));
  const sounded = await context.startRendering();
  const loud = (ear) => sounded.getChannelData(ear).slice(4000).reduce((sum, x) => sum + x * x, 0);
  return [loud(0), loud(1)];
}"""


def picture_of(address: str) -> np.ndarray:
    kind, _, content = address.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def test_one_avatars_eyes_are_those_of_its_sensor() -> None:
    simulation = simulate("ALS/Tag-v0", 2, 3, num_avatars=3, sensors=["rgb"], frame_size=(24, 32))
    simulation.reset([5, 6])
    simulation.observe()
    for world in range(2):
        for avatar in range(3):
            own = first_person(simulation.state, world, avatar, 24, 32)
            assert np.array_equal(own, simulation.observations["rgb"][world, avatar])
    simulation.close()


@pytest.fixture(scope="module")
def attentive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved agent whose encoder has attention, as it was made."""
    arguments: dict[str, Any] = {"sensors": ["entities", "rgb"], "action_mode": "discrete"}
    agent: Any = make_agent("ppo", "ALS/Tag-v0", arguments, {"encoder": "attention"})
    folder = tmp_path_factory.mktemp("agents") / "attentive"
    record = AgentRecord(agent="ppo", scenario="ALS/Tag-v0", arguments=arguments, observers=1)
    save_agent(agent, folder, record)
    return folder


def test_attention_is_shown_and_asking_for_it_changes_nothing(attentive: Path) -> None:
    digests = []
    for looks in (False, True):
        stage = open_live(str(attentive), None, {"num_avatars": 3})
        stage.begin()
        for _ in range(12):
            seen = [stage.eyes(avatar) for avatar in range(4)] if looks else []
            stage.advance({})
        digests.append(stage.simulation.state.digest(0))
        stage.close()
    assert digests[0] == digests[1]
    own, other, _, nobody = seen
    assert own is not None
    assert picture_of(own["picture"]).shape == (64, 64, 3)
    assert {name for name, _ in own["shares"]} == {"entities", "rgb"}
    assert sum(share for _, share in own["shares"]) == pytest.approx(1.0, abs=1e-3)
    grid = np.array(own["grid"])
    assert grid.sum() == pytest.approx(dict(own["shares"])["rgb"], abs=2e-2)
    assert own["things"]
    assert other is not None
    assert "scripted" in other["why_not"]
    assert nobody is None


def test_an_agent_without_a_network_has_no_attention() -> None:
    stage = open_live("ALS/Tag-v0", "random", {})
    stage.begin()
    assert "no network" in Attention(stage.simulation, stage._agent).of(0)["why_not"]
    stage.close()


def test_nobody_asks_and_nothing_is_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def eyes(self: LiveStage, avatar: int, size: int | None = None) -> dict[str, Any] | None:
        asked.append(avatar)
        return {"picture": "", "why_not": ""} if avatar < 2 else None

    monkeypatch.setattr(LiveStage, "eyes", eyes)
    with served("ALS/Tag-v0") as world, world.program() as one, world.program() as other:
        one.until(lambda: one.board.get("step", 0) > 3)
        assert asked == []
        other.send("look", avatar=1)
        one.until(lambda: "eyes.1" in one.board)
        other.send("look", avatar=900)
        one.until(lambda: "eyes.1" not in one.board)
        other.send("look", avatar=0)
        one.until(lambda: "eyes.0" in one.board)
        other.socket.close()
        one.until(lambda: "eyes.0" not in one.board)
        assert set(asked) == {0, 1, 900}


def test_who_is_limited_is_sent_what_the_avatar_sees_and_no_more() -> None:
    arguments = {"num_avatars": 3}
    with (
        served("ALS/Tag-v0", arguments=arguments, paused=True, limited=True) as world,
        world.program() as ann,
        world.program() as bob,
    ):
        for program in (ann, bob):
            program.until(lambda program=program: "seat.2" in program.board)
        ann.send("look", avatar=1)
        ann.send("join", avatar=1, name="Ann")
        ann.until(lambda: "view" in ann.board)
        state = world.stage.simulation.state
        shown = picture_of(ann.board["view"])
        assert np.array_equal(shown, first_person(state, 0, 1, VIEW, VIEW))
        bob.until(lambda: bob.board["seat.1"]["person"] == "Ann")
        seats = {f"seat.{i}" for i in range(3)}
        public = {"clock", "step", "people", "note", "world"} | seats
        assert set(bob.board) == public
        role = ann.board["seat.1"]["role"]
        assert set(ann.board) <= public | {f"can.{role}", "view", "told.1", "score.1"}
        assert not {"level", "bounds"} & set(ann.board["world"])
        assert {seat["driver"] for key, seat in ann.board.items() if key in seats} == {""}
        ann.send("pace", step=True)
        ann.until(lambda: ann.board["step"] == 1)
        ann.send("leave")
        ann.until(lambda: "view" not in ann.board)
        assert set(ann.board) == public


def seen_from(level: int) -> tuple[int, np.ndarray]:
    """The avatar that sees most of another on a level, and which pixels show it."""
    simulation = simulate(
        "ALS/Tag-v0", 1, 2, num_avatars=2, level=level, sensors=["semantic"], frame_size=SIZE
    )
    simulation.reset([0])
    simulation.observe()
    shown = simulation.observations["semantic"][0, :, :, :, 0].copy()
    simulation.close()
    most = int((shown == AVATAR).sum((1, 2)).argmax())
    return most, shown[most]


@pytest.mark.timeout(400)  # Beside other work a browser without a graphics card is slow.
def test_the_page_draws_what_the_raster_draws_and_hears_what_is_left_and_right(
    chromium: Any,
) -> None:
    avatar, kinds = seen_from(LEVEL)
    assert (kinds == AVATAR).sum() > 60
    arguments = {"num_avatars": 2, "level": LEVEL}
    with (
        served("ALS/Tag-v0", arguments=arguments, paused=True) as world,
        tab(chromium, world) as page,
    ):
        expected = first_person(world.stage.simulation.state, 0, avatar, SIZE, SIZE).astype(int)
        # -- in a corner, on demand
        page.view.click("#sees")
        page.wait("document.getElementById('seen').naturalWidth === 64")
        assert "no network" in page.view.inner_text("#why")
        # -- sounds
        _hears(page)
        # -- the picture itself
        page.wait(f"als.things.avatar({avatar}) && als.things.moving.size === 0")
        whole, without = (
            np.array(page.view.evaluate(EYES, [avatar, gone, SIZE])).reshape(SIZE, SIZE, 4)
            for gone in (-1, 1 - avatar)
        )
        apart = [np.abs(each[::-1, :, :3] - expected).max(-1) for each in (whole, without)]
        solid, other = kinds >= 2, kinds == AVATAR
        assert (apart[0][solid] < 40).mean() > 0.8
        assert (apart[0][other] < 40).mean() > 0.6
        assert (apart[1][other] < 40).mean() < 0.4


def _hears(page: Any) -> None:
    """Bands are those of the sensor, walls dampen them, and ears tell left from right."""
    code = (
        "async ([bands, walls]) => [...(await import('/sounds.js')).samples(bands, walls, 8000, 1)]"
    )
    for band, walls in ((1, 0), (4, 2)):
        sound = np.array(page.view.evaluate(code, [[2.0 * (i == band) for i in range(8)], walls]))
        middle = BAND_CENTERS[band]
        through = 1.0 / (1.0 + (middle / 250.0) ** 2) ** walls
        assert (sound**2).mean() == pytest.approx(2.0 * through, rel=1e-3)
        power = np.abs(np.fft.rfft(sound)) ** 2
        within = (np.arange(power.size) > middle / 1.42) & (np.arange(power.size) < middle * 1.42)
        assert power[within].sum() > 0.99 * power.sum()
    left, right = page.view.evaluate(HEARD, [[0, 2, 1.5], [1, 0]])
    assert left > 1.3 * right
    back_left, back_right = page.view.evaluate(HEARD, [[0, 2, 1.5], [-1, 0]])
    assert back_right > 1.3 * back_left
    far = sum(page.view.evaluate(HEARD, [[0, 4, 1.5], [1, 0]]))
    assert (left + right) / far == pytest.approx(4.0, rel=0.15)
    page.view.click("#sound")
    page.wait("als.sounds.on")
    page.value(
        "als.link.put('sound.0', {name: 'bell', text: '', at: [1, 1, 1], bands: [0,0,1,0,0,0,0,0]})"
    )
    page.wait("als.sounds.playing.size === 1")
    page.value("als.link.put('sound.0', null)")
    page.wait("als.sounds.playing.size === 0")
    page.view.click("#sound")
    page.wait("!als.sounds.on")
