"""`als show`: everything about one scenario, and a picture of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from als_engine.cli.console import Table, say, show_markdown
from als_engine.cli.console import show as show_table
from als_engine.cli.shared import MAX_LEVEL, Physics
from als_engine.options import scenario_arguments
from als_engine.physics.engines import describe_engines
from als_engine.plugins.registry import registry

if TYPE_CHECKING:
    from als_engine.plugins.specs import ScenarioSpec
    from als_engine.simulation import Simulation

__all__ = ["arguments_of", "save_picture", "show", "spaces_of"]


def show(
    id: Annotated[str, typer.Argument(help="The scenario, such as ALS/Tag-v0.", metavar="ID")],
    picture: Annotated[
        Path | None, typer.Option(help="Where the picture goes; by default <name>.png.")
    ] = None,
    level: Annotated[
        int | None,
        typer.Option(
            help="The level in the picture; 10000 and more are test levels.", min=0, max=MAX_LEVEL
        ),
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(help="key=value for the scenario, such as num_avatars=4; can be repeated."),
    ] = None,
    physics: Physics = None,
) -> None:
    """Show a scenario: spaces, arguments, description, and a picture in a file."""
    from als_engine.simulation import simulate

    spec = registry.scenario(id)
    arguments = scenario_arguments(arg, physics=physics)
    if level is not None:
        arguments["level"] = level
    path = picture or Path(f"{id.partition('/')[2]}.png")
    simulation = simulate(id, **arguments)
    try:
        _print_everything(spec, simulation)
        save_picture(simulation, path)
    finally:
        simulation.close()
    say(f"Wrote {path}, level {int(simulation.state.level[0])}")


def save_picture(simulation: Simulation, path: Path, seed: int = 0) -> None:
    """Resets a world and writes a picture of it, seen from outside.

    Raises:
        SavedFileError: it cannot be written.
        ArgumentError: the suffix names no format.
    """
    from PIL import Image

    from als_engine.errors import ArgumentError
    from als_engine.system.files import replacing

    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise ArgumentError(f'"{path}": a picture ends in .png, .jpg or .webp')
    simulation.reset([seed])
    with replacing(path) as temporary:
        Image.fromarray(simulation.render()).save(temporary)


def arguments_of(spec: ScenarioSpec, task_class: Any) -> Iterator[tuple[str, str, str]]:
    """Yields name, default and origin ("every scenario" or "this one") of each argument."""
    from als_engine.simulation import ARGUMENTS, Arguments

    own = inspect.signature(task_class).parameters
    for name, parameter in own.items():
        if name != "num_avatars":
            yield name, _shown(spec.kwargs.get(name, parameter.default)), "this one"
    engine = inspect.signature(Arguments).parameters
    special = {
        "num_avatars": f"{spec.num_avatars} ({spec.min_avatars} to {spec.max_avatars})",
        "max_episode_steps": str(spec.max_episode_steps),
        "sensors": ", ".join(task_class.default_sensors),
    }
    for name in ARGUMENTS:
        default = special.get(name) or _shown(engine[name].default)
        yield name, default, "every scenario"


def _shown(value: Any) -> str:
    return "required" if value is inspect.Parameter.empty else repr(value)


def _print_everything(spec: ScenarioSpec, simulation: Simulation) -> None:
    task_class = type(simulation.task)
    say("\n", (spec.id, "bold"), f"  {spec.summary}\n")
    show_table(_spaces(simulation))
    show_table(_arguments(spec, task_class))
    say(describe_engines())
    # The first line says what the summary has said; the sections follow it.
    text = inspect.getdoc(task_class) or ""
    show_markdown(text.partition("\n")[2])
    say("")


def _spaces(simulation: Simulation) -> Table:
    """A table of what goes in and what comes out."""
    table = Table(("name", "on", "space"), "Spaces of one avatar")
    *observed, action = spaces_of(simulation)
    for row in observed:
        table.row(*row, ends_section=row == observed[-1])
    table.row(*action)
    table.row("avatars", "", ", ".join(simulation.agents))
    return table


def spaces_of(simulation: Simulation) -> list[tuple[str, str, str]]:
    """Name, "yes" where it is observed unless one says otherwise, and space; the action's last."""
    on = simulation.observation_space.spaces
    spaces = sorted({**_other_sensors(simulation), **on}.items())
    rows = [(key, "yes" if key in on else "", _describe(space)) for key, space in spaces]
    action = f"{_describe(simulation.action_space)}: {_actions(simulation)}"
    return [*rows, ("action", "", action)]


def _actions(simulation: Simulation) -> str:
    """What an avatar can do: the actions, the axes, or the parts with their choices."""
    if simulation.action_mode not in ("factored", "guided"):
        return ", ".join(simulation.action_names)
    parts = simulation.action_choices.items()
    return "; ".join(f"{name} ({', '.join(choices)})" for name, choices in parts)


def _other_sensors(simulation: Simulation) -> dict[str, Any]:
    """The spaces of all sensors that could be asked for with `sensors`."""
    from als_engine.sensors import SENSORS, Setup, make_sensors

    task = simulation.task
    said, roles = simulation.state.utterances, simulation.roles
    setup = Setup(1, simulation.num_avatars, 1, utterances=said, roles=roles)
    sensors = make_sensors((*SENSORS, *task.extra_sensors), setup, task.extra_sensors)
    spaces: dict[str, Any] = {
        key: space for sensor in sensors for key, space in sensor.spaces().items()
    }
    for spec in registry.sensors():
        # One that is broken is broken where it is asked for, and not in every scenario's table.
        try:
            (sensor,) = make_sensors([spec.id], setup, offered={spec.id: spec})
            spaces.update(sensor.spaces())
        except Exception as error:
            spaces[spec.id] = f"broken: {type(error).__name__}: {error}"
    return spaces


def _describe(space: Any) -> str:
    """A space in a few words; the bounds of each number would fill the screen."""
    if not hasattr(space, "low"):
        return str(space)
    low, high = space.low.min(), space.high.max()
    return f"{space.dtype} {space.shape}, {low:g} to {high:g}"


def _arguments(spec: ScenarioSpec, task_class: Any) -> Table:
    table = Table(("name", "default", "of"), "Arguments")
    for row in arguments_of(spec, task_class):
        table.row(*row)
    return table
