"""A good package: everything but scenarios, in the namespace that another one of Acme's owns."""

from __future__ import annotations

import numpy as np
import typer

from als_engine import (
    Agent,
    AgentSpec,
    EncoderSpec,
    ScenarioSpec,
    SensorSpec,
    SuiteEntry,
    SuiteSpec,
    hookimpl,
)
from als_engine.plugins.findings import Finding


class Walker(Agent):
    """Does nothing, in every row."""

    def act(self, observation, state=None, deterministic=True):
        rows = len(next(iter(observation.values())))
        return np.zeros(rows, np.int64), state


class Lab:
    """The hooks."""

    @hookimpl
    def als_scenarios(self):
        return [ScenarioSpec("Acme/Lab-v0", "acme_kitchen:FetchKettle", 100)]

    @hookimpl
    def als_agents(self):
        return [AgentSpec("walker", "acme_lab:Walker")]

    @hookimpl
    def als_sensors(self):
        return [SensorSpec("Acme/thermometer", "acme_lab:Thermometer")]

    @hookimpl
    def als_encoders(self):
        return [EncoderSpec("Acme/net", "acme_lab:Net")]

    @hookimpl
    def als_suites(self):
        return [SuiteSpec("breakfast", entries=(SuiteEntry("Acme/FetchKettle-v0"),))]

    @hookimpl
    def als_commands(self, app):
        @app.command()
        def kettle(json: bool = False) -> None:
            """Whistle."""
            typer.echo('{"whistles": true}' if json else "whistles")

    @hookimpl
    def als_doctor(self, report):
        report(Finding("kettle", "ok", "full"))


lab = Lab()
