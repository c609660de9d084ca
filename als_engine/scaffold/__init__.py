"""Writes packages to begin with: a scenario, an agent, a sensor, an encoder or a suite."""

from als_engine.scaffold.names import KINDS, Names
from als_engine.scaffold.package import files, write

__all__ = ["KINDS", "Names", "files", "write"]
