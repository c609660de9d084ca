"""The checks of a package: of an installed distribution, before anything that it offers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from als_engine.conformance.kinds.alone import Ending, load_alone
from als_engine.conformance.kinds.subjects import own_of_plugins
from als_engine.conformance.report import Failure
from als_engine.conformance.running import Check, Finding, Subject
from als_engine.plugins.discovery import BUNDLED, Plugin, normalized
from als_engine.plugins.hookspecs import PROJECT
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import namespace_of

__all__ = ["CHECKS", "PackageCase"]

_SLOW: Final = 1.0
"""Seconds that an import may take: everybody's `import als_engine` waits for it."""

PATIENCE: Final = 30.0
"""Seconds that loading may take in a process of its own."""


@dataclass
class PackageCase(Subject):
    """An installed distribution under examination.

    Attributes:
        plugins: its entry points, and what became of them in this process.
        lines: what the process of its own has found: an import, a class, or what was heavy.
        ending: how that process ended.
    """

    plugins: list[Plugin] = field(kw_only=True)
    lines: list[dict[str, Any]] = field(kw_only=True)
    ending: Ending = field(kw_only=True)

    @classmethod
    def of(cls, distribution: str, patience: float = PATIENCE) -> PackageCase:
        """A case of a distribution; it is loaded in a process of its own."""
        plugins = [p for p in registry.plugins() if p.distribution == distribution]
        own = own_of_plugins(plugins)
        with tempfile.TemporaryDirectory(prefix="als-check-") as name:
            lines, ending = load_alone(Path(name), distribution, own, patience)
        return cls(distribution, own, plugins=plugins, lines=lines, ending=ending)

    def note_missing(self, check: str) -> None:
        """Notes that a check has nothing to look at, where no entry point was imported."""
        if not self.said("loaded"):
            self.notes[check] = "not imported"

    def said(self, what: str) -> list[dict[str, Any]]:
        """The lines of one sort."""
        return [line[what] for line in self.lines if what in line]


def loading(case: PackageCase) -> Iterator[Finding]:
    """It is imported without an error, an exit, an abort or a hang, in a process of its own.

    Such as: when it is imported it ends the process (SIGABRT)
    """
    if case.ending.reason:
        yield Failure(f"when it is imported {case.ending.reason}", case.ending.place)
    for line in case.said("loaded"):
        if line["error"]:
            yield Failure(line["error"], line["place"])


def quiet(case: PackageCase) -> Iterator[Finding]:
    """Nothing is written when it is imported: the standard output is everybody's.

    Such as: it writes 'hello from the import'
    """
    case.note_missing("quiet")
    if case.ending.noise:
        yield f"it writes {case.ending.noise[:200]!r}"


def import_time(case: PackageCase) -> Iterator[Finding]:
    """It is imported in a second, and brings no heavy library in.

    Such as: importing acme.hooks imports torch: import what is heavy in the class's own module
    """
    case.note_missing("import-time")
    for line in case.said("loaded"):
        case.figures["import_seconds"] = line["seconds"]
        case.notes["import-time"] = f"{line['seconds']:.2f} s"
        if line["seconds"] > _SLOW:
            taken = f"{line['seconds']:.1f} s, {_SLOW:g} s is allowed"
            yield f"importing {line['module']} takes {taken}"
        if line["heavy"]:
            yield (
                f"importing {line['module']} imports {', '.join(line['heavy'])}: import what is "
                "heavy in the class's own module, which the spec names"
            )


def offers(case: PackageCase) -> Iterator[Finding]:
    """What it offers is accepted here, beside all that is installed.

    Such as: entry point main: scenario "Acme/Walk-v0" of acme-two exists already, from acme-one
    """
    broken = {line["name"] for line in case.said("loaded") if line["error"]}
    for plugin in case.plugins:
        refused = (plugin.is_out or plugin.status == "disabled") and plugin.name not in broken
        if refused and not case.ending.reason:
            yield f"entry point {plugin.name}: {plugin.error}"
    count = sum(len(plugin.specs) for plugin in case.plugins)
    case.notes["offers"] = "1 thing" if count == 1 else f"{count} things"
    case.note_missing("offers")


def classes(case: PackageCase) -> Iterator[Finding]:
    """Every class that a spec names can be imported.

    Such as: Acme/Walk-v0: cannot load "acme.world:Wlak": AttributeError
    """
    case.note_missing("classes")
    for line in case.said("class"):
        if line["error"]:
            yield Failure(f"{line['id']}: {line['error']}", line["place"])


def namespace(case: PackageCase) -> Iterator[Finding]:
    """It declares the namespaces of its ids, so that nobody else can take them.

    Such as: nobody declares the namespace "Acme/"
    """
    declared = {
        point.name
        for point in entry_points(group=f"{PROJECT}.namespaces")
        if normalized(point.dist.name if point.dist else "") == case.id
    }
    case.note_missing("namespace")
    used = {namespace_of(spec.id) for plugin in case.plugins for spec in plugin.specs} - {""}
    for name in sorted(used - declared):
        if case.id != BUNDLED:
            yield (
                f'nobody declares the namespace "{name}/": add {name} = "..." to '
                f'[project.entry-points."{PROJECT}.namespaces"]'
            )


CHECKS: Final[Mapping[str, Check[PackageCase]]] = {
    "loading": loading,
    "quiet": quiet,
    "import-time": import_time,
    "offers": offers,
    "classes": classes,
    "namespace": namespace,
}
"""Name to check of a package, in the order in which they run."""
