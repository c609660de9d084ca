"""The spaces of a scenario, for its page: what each role observes, and each action mode."""

from __future__ import annotations

from page_tables import table

from als_engine.bodies.codec import ACTION_MODES, Codec
from als_engine.cli.show import spaces_of
from als_engine.simulation import Simulation

__all__ = ["spaces"]


def spaces(simulation: Simulation) -> list[str]:
    """The section's lines; every avatar of the simulation is an observer."""
    return [
        "### Observations",
        "",
        "One array for each key. `sensors=[...]` chooses among all of these.",
        "",
        *table(("key", "by default", "space"), _observations(simulation)),
        "",
        "### Actions",
        "",
        "`action_mode` chooses one of three spaces.",
        "",
        *table(("mode", "role", "space"), _actions(simulation)),
    ]


def _first_of_roles(simulation: Simulation) -> dict[str, int]:
    """The first avatar of each role."""
    roles = simulation.roles[: simulation.observers]
    return {role: roles.index(role) for role in dict.fromkeys(roles)}


def _observations(simulation: Simulation) -> list[tuple[str, str, str]]:
    observing = simulation.observing
    keys = {
        role: {*observing.of_avatar(avatar, observing.space.spaces)}
        for role, avatar in _first_of_roles(simulation).items()
    }
    rows = []
    for key, on, space in spaces_of(simulation)[:-1]:
        roles = [role for role, observed in keys.items() if key in observed]
        whose = "yes" if len(roles) == len(keys) else ", ".join(roles)
        rows.append((f"`{key}`", whose if on else "", space))
    return rows


def _actions(simulation: Simulation) -> list[tuple[str, str, str]]:
    """A row for each mode, and for the roles that can do the same."""
    rows = []
    for mode in ACTION_MODES:
        if mode == "guided":  # Its choices are the things of the scenario's worlds.
            meant = "as `factored`; `locomotion` also goes to every prop and avatar (`go to NAME`)"
            rows.append((f"`{mode}`", "every role", meant))
            continue
        alike: dict[tuple[str, str], list[str]] = {}
        for role, avatar in _first_of_roles(simulation).items():
            codec = Codec(mode, simulation.acting.own[avatar].can)
            alike.setdefault((str(codec.space), _meaning(codec)), []).append(role)
        roles = [", ".join(each) if len(alike) > 1 else "every role" for each in alike.values()]
        rows += [
            (f"`{mode}`", role, f"`{space}`: {meaning}")
            for role, (space, meaning) in zip(roles, alike, strict=True)
        ]
    return rows


def _meaning(codec: Codec) -> str:
    """The actions or axes, or the choices of each part; a part with one choice is left out."""
    if codec.mode != "factored":
        return ", ".join(codec.names)
    parts = [(name, choices) for name, choices in codec.choices.items() if len(choices) > 1]
    return "; ".join(f"{name}: {', '.join(choices)}" for name, choices in parts)
