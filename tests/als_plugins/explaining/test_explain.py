"""`als explain` on real saved agents: real files, and a page that asks nobody for anything."""

from __future__ import annotations

import re

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
import typer
from browser import chromium, opened
from learn_worlds import ID, learn
from places import ROOT
from typer.testing import CliRunner

from als_engine.agents.saving import AgentRecord, make_agent, save_agent
from als_engine.errors import ArgumentError, SavedFileError
from als_plugins.explaining import plugin
from als_plugins.explaining.explain import explain
from als_plugins.explaining.page import signed
from als_plugins.explaining.panels import Artist, frames
from als_plugins.explaining.recording import record

__all__ = ["learn"]

pytestmark = pytest.mark.usefixtures("learn")

SENSORS = ["rgb", "entities", "proprioception", "text"]


def saved(folder, name="ppo", encoder="attention", sensors=SENSORS, **arguments):
    arguments = {"sensors": list(sensors), "frame_size": 16, **arguments}
    config = {"net_arch": [16], "encoder": encoder}
    agent = make_agent(name, ID, arguments, config)
    torch.manual_seed(0)
    save_agent(agent, folder, AgentRecord(agent=name, scenario=ID, arguments=arguments))
    return str(folder)


@pytest.fixture(scope="module")
def explained(tmp_path_factory, learn):
    folder = tmp_path_factory.mktemp("explained")
    agent = saved(folder / "agent")
    return explain(agent, folder=folder / "out", steps=6, decisions=2)


def test_the_code_on_the_page_explains_decisions(tmp_path, capsys):
    page = (ROOT / "docs" / "explain.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for path in ("runs/tag", "explained"):
        assert code.count(f'"{path}"') == 1
        code = code.replace(f'"{path}"', repr(str(tmp_path / path)))
    saved(tmp_path / "runs" / "tag", sensors=["entities", "proprioception"])
    exec(code, {})
    printed = capsys.readouterr().out
    assert len(re.findall(r"^  [+-]\d+\.\d{4}  (?:entities|proprioception): ", printed, re.M)) >= 5


def test_attention_is_one_at_every_step_and_is_the_encoders_own(explained):
    recording = explained.recording
    assert recording.method == "attention"
    for moment in recording.moments:
        assert sum(float(w.sum()) for w in moment.weights.values()) == pytest.approx(1.0)
        rows = {key: torch.as_tensor(array)[None] for key, array in moment.observation.items()}
        with torch.no_grad():
            own = recording.decider.encoder.attention(rows)
        assert all(np.allclose(moment.weights[key], own[key][0].numpy()) for key in own)


def test_what_was_done_is_what_the_agent_would_do_and_rewards_add_up(explained):
    total = 0.0
    for moment in explained.recording.moments:
        total += moment.reward
        assert moment.total == pytest.approx(total)
        assert moment.target == int(moment.numbers.argmax())


@pytest.mark.parametrize("which", [0, 1])
def test_the_animations_have_a_frame_for_each_step(explained, which):
    path = explained.animations[which]
    film = imageio.imread(path)
    assert film.shape[2] == 1120
    assert len(explained.recording.moments) < len(film) or path.suffix == ".gif"
    # Light paper in the corner, and something drawn on it.
    assert film[0, 2, 2].min() > 225
    assert film[0].std() > 20


def test_the_same_again_is_the_same_to_the_last_bit(explained, tmp_path):
    again = record(str(explained.page.parents[1] / "agent"), steps=6)
    for one, other in zip(explained.recording.moments, again.moments, strict=True):
        assert np.array_equal(one.numbers, other.numbers)
        assert all(np.array_equal(one.weights[k], other.weights[k]) for k in one.weights)
    first, second = (next(iter(frames(r))) for r in (explained.recording, again))
    assert np.array_equal(first, second)


@pytest.mark.parametrize(
    ("name", "encoder", "sensors"),
    [
        ("dqn", "mlp", ["proprioception", "entities"]),
        ("sac", "attention", ["depth", "proprioception"]),
        ("recurrent-ppo", "mlp", ["text"]),
        ("td3", "mlp", ["audio"]),
        ("ppo", "attention-cnn", ["rgb", "proprioception"]),
        ("mappo", "attention", ["entities", "proprioception"]),
    ],
)
def test_every_set_of_sensors_can_be_drawn(tmp_path, name, encoder, sensors):
    mode = "continuous" if name in ("sac", "td3") else "discrete"
    if encoder == "attention-cnn":
        from als_engine.plugins.registry import registry

        if not any(spec.id == encoder for spec in registry.encoders()):
            pytest.skip("this encoder is not installed")
    agent = saved(tmp_path / "agent", name, encoder, sensors, action_mode=mode)
    recording = record(agent, steps=3)
    assert recording.method == ("gradient" if encoder == "mlp" else "attention")
    artist = Artist(recording)
    assert artist.noun == ("Gradient saliency" if encoder == "mlp" else "Attention")
    pictures = [artist.frame(moment) for moment in recording.moments]
    assert {picture.shape[1] for picture in pictures} == {1120}
    for moment in recording.moments:
        assert sum(float(w.sum()) for w in moment.weights.values()) == pytest.approx(1.0)


# -- the page -------------------------------------------------------------------------------------


def test_the_page_is_one_file_that_loads_nothing(explained):
    page = explained.page.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {"http://www.w3.org/2000/svg"}
    sources = re.findall(r'(?:src|href)="([^"]{0,12})', page)
    assert sources
    assert all(source.startswith("data:") for source in sources)


def test_the_page_says_what_was_found(explained):
    page = explained.page.read_text(encoding="utf-8")
    for decision in explained.decisions:
        found = decision.attribution
        assert f"Step {decision.moment.step}: " in page
        assert f"{found.value:.3f}".lstrip("-") in page
        part, amount = found.strongest(1)[0]
        assert part.sensor in page
        assert signed(amount) in page
        assert abs(found.delta) <= 0.02 * abs(found.value - found.baseline) + 1e-5


def test_an_agent_that_looks_at_nothing_is_said_to_do_so(tmp_path, explained):
    agent = make_agent("ppo", ID, {"sensors": ["proprioception"]}, {"net_arch": [16]})
    with torch.no_grad():
        agent.policy.action_net.weight.zero_()
    arguments = {"sensors": ["proprioception"]}
    save_agent(agent, tmp_path / "a", AgentRecord(agent="ppo", scenario=ID, arguments=arguments))
    blind = explain(str(tmp_path / "a"), folder=tmp_path / "out", steps=2, decisions=1)
    assert blind.decisions[0].attribution.flat
    page = blind.page.read_text(encoding="utf-8")
    assert "In 1 of 1 decisions hardly anything that is sensed makes a difference" in page
    assert "the explanations are about this network" not in page


browser = pytest.fixture(chromium, scope="module")


@pytest.mark.parametrize("width", [360, 1100])
def test_it_fits_the_screen_and_plays_its_film(browser, explained, width):
    with opened(browser, explained.page, viewport={"width": width, "height": 800}) as page:
        view = page.view
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        view.wait_for_function("document.querySelector('video').videoWidth == 1120")
        assert view.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
        assert (page.asked, page.said) == ([], [])


# -- the command ----------------------------------------------------------------------------------


def run(*words):
    app = typer.Typer()
    plugin.als_commands(app)
    app.command("nothing")(lambda: None)
    return CliRunner().invoke(app, ["explain", *map(str, words)])


def test_the_command_writes_everything(tmp_path):
    agent = saved(tmp_path / "agent", sensors=["proprioception"])
    out = tmp_path / "out"
    done = run(agent, "--on", ID, "--steps", "3", "--decisions", "1", "--out", out)
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir()) == [
        "attention.gif", "attention.mp4", "index.html",
    ]  # fmt: skip
    assert str(out / "index.html") in done.output


def test_what_cannot_be_explained_is_refused_and_nothing_is_left_behind(tmp_path):
    random = run("random", "--on", ID, "--out", tmp_path / "out")
    assert isinstance(random.exception, ArgumentError)
    assert "random has no network to look into" in str(random.exception)
    missing = run("runs/nowhere", "--out", tmp_path / "out")
    assert isinstance(missing.exception, SavedFileError)
    assert not (tmp_path / "out").exists()
