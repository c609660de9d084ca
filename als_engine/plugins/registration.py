"""Registers every scenario with Gymnasium, and with PettingZoo's registry once that is in use."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import gymnasium

from als_engine.errors import PluginError
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import ScenarioSpec

if TYPE_CHECKING:
    from pettingzoo import AECEnv

__all__ = ["aec_env", "register_scenarios", "register_with_pettingzoo"]

# Strings, so that registering imports no physics and an EnvSpec goes to JSON and back.
_SINGLE = "als_engine.envs.single:SingleEnv"
_VECTOR = "als_engine.envs.vector:VectorEnv"


def register_scenarios(strict: bool | None = None) -> None:
    """Registers the scenarios of all plugins, and from now on those of any that come later.

    Args:
        strict: Raise the first plugin's failure; by default as `ALS_STRICT_PLUGINS` says.

    Raises:
        PluginError: A plugin failed, and loading is strict.
    """
    # Before the plugins are loaded: an id that Gymnasium refuses then costs its own plugin only.
    registry.subscribe(_register)
    registry.start(strict)


def register_with_pettingzoo() -> None:
    """Registers the scenarios with PettingZoo, for `pettingzoo`'s `make("parallel", id)`.

    `import als_engine` must not import pettingzoo, so this happens when someone else has imported
    `pettingzoo.env_registry` before, at the first `als_engine.parallel_env()`, or by this call.
    Does nothing where PettingZoo has no registry (before 1.26).
    """
    try:
        import pettingzoo.env_registry  # noqa: F401
    except ModuleNotFoundError:
        return
    _register_with_pettingzoo(registry.scenarios())


def aec_env(id: str, **kwargs: Any) -> AECEnv[Any, Any, Any]:
    """Makes a scenario in which avatars take turns, by PettingZoo's own conversion.

    Args:
        id: The scenario's id.
        **kwargs: As for `als_engine.parallel_env`.
    """
    from pettingzoo.utils.conversions import parallel_to_aec

    from als_engine import parallel_env

    return parallel_to_aec(parallel_env(id, **kwargs))


def registered_parallel_env(id: str, max_cycles: int | None = None, **kwargs: Any) -> Any:
    """The factory in PettingZoo's registry: its `max_cycles` is our `max_episode_steps`."""
    from als_engine import parallel_env

    kwargs.setdefault("max_episode_steps", max_cycles)
    return parallel_env(id, **kwargs)


def registered_aec_env(id: str, max_cycles: int | None = None, **kwargs: Any) -> Any:
    """As `registered_parallel_env`, with avatars that take turns."""
    kwargs.setdefault("max_episode_steps", max_cycles)
    return aec_env(id, **kwargs)


def _register(specs: Sequence[ScenarioSpec]) -> None:
    new = []
    for spec in specs:
        known = gymnasium.registry.get(spec.id)
        if known is None:
            new.append(spec)
        elif known.entry_point != _SINGLE:
            other = known.entry_point
            raise PluginError(f'"{spec.id}" is registered with Gymnasium already, as {other}')
    for spec in new:
        # Wrappers and learners read the limit here. Gymnasium's TimeLimit wrapper, which this adds,
        # cuts an episode off in the same step as Simulation, or earlier: see `FollowTimeLimit`.
        gymnasium.register(
            spec.id,
            entry_point=_SINGLE,
            vector_entry_point=_VECTOR,
            max_episode_steps=spec.max_episode_steps,
            kwargs={"scenario": spec.id},
        )
    if "pettingzoo.env_registry" in sys.modules:
        _register_with_pettingzoo(specs)


def _register_with_pettingzoo(specs: Sequence[ScenarioSpec]) -> None:
    from pettingzoo.env_registry import registration as pettingzoo

    for spec in specs:
        if spec.id not in pettingzoo.parallel_registry:
            for kind in ("parallel", "aec"):
                pettingzoo.register(
                    kind,
                    spec.id,
                    f"als_engine.plugins.registration:registered_{kind}_env",
                    max_cycles=spec.max_episode_steps,
                    kwargs={"id": spec.id},
                )
