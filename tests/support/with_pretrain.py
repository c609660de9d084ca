"""The `als` command with `als pretrain`, whether or not this tree's entry points are installed."""

from __future__ import annotations

from als_engine.cli import main
from als_engine.plugins.registry import registry
from als_plugins.pretraining import plugin


def add_pretrain() -> None:
    """Adds the command where it is not there."""
    registry.start()
    if plugin.__name__ not in [known.module for known in registry.plugins()]:
        registry.add(plugin, "als-engine", "pretraining")


if __name__ == "__main__":
    add_pretrain()
    main()
