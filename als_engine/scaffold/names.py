"""The names in a package that is written: of the distribution, the module, the class and the id.

They become code, and paths. So each is checked to the letter before it is used, and refused where
somebody has it already.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from als_engine.errors import ArgumentError, unknown
from als_engine.plugins.discovery import find_installed, normalized
from als_engine.plugins.hookspecs import PROJECT
from als_engine.plugins.registry import registry
from als_engine.plugins.specs import namespace_of
from als_engine.texts import one_line

__all__ = ["KINDS", "Names"]

KINDS: Final[Mapping[str, str]] = {
    "scenario": "Walk to the mat of the colour that the instruction names.",
    "agent": "Learns which action pays best, whatever it sees.",
    "sensor": "How near the nearest thing is, in each of 8 directions.",
    "encoder": "A stem for each sensor, and one layer over all of them.",
    "suite": "Two lessons on levels that nobody trains on: words, and pursuit.",
}
"""What can be written, and what the thing that is written says of itself."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*", re.ASCII)
_NAMESPACE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*", re.ASCII)
_LONGEST: Final = 32
_LONGEST_AUTHOR: Final = 100


@dataclass(frozen=True)
class Names:
    """Everything that is called by a name.

    Attributes:
        kind: one of `KINDS`.
        name: of the thing, as somebody has written it: `fetch-kettle`, `FetchKettle`.
        namespace: of its id; empty for none, or for one after the name where there must be one.
        owner: whose the namespace is; empty for this distribution's.
        author: who has the copyright.
    """

    kind: str
    name: str
    namespace: str = ""
    owner: str = ""
    author: str = ""

    def __post_init__(self) -> None:
        """Checks every name by its letters; `check_free` looks who has it.

        Raises:
            ArgumentError: one of them cannot be a name; says what would be one.
        """
        if self.kind not in KINDS:
            raise ArgumentError(unknown("kind", self.kind, KINDS))
        _check("the name", self.name, _NAME, "fetch-kettle")
        if self.namespace:
            _check("--namespace", self.namespace, _NAMESPACE, "Acme")
        if self.owner:
            _check("--owner", self.owner, _NAME, "acme_kitchen")
        for word in (self.module, self.title):
            if keyword.iskeyword(word):
                raise ArgumentError(f'"{self.name}" is a word of Python; choose another name')
        if self.author != one_line(self.author) or len(self.author) > _LONGEST_AUTHOR:
            raise ArgumentError(
                f"--author must be one line of at most {_LONGEST_AUTHOR} characters, "
                f"got {self.author!r:.120}"
            )

    @cached_property
    def words(self) -> list[str]:
        """The words of the name, as they were written."""
        apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", self.name)
        return re.split(r"[-_]", apart)

    @property
    def distribution(self) -> str:
        """The name of the distribution and of the folder, such as `fetch-kettle`."""
        return "-".join(self.words).lower()

    @property
    def module(self) -> str:
        """The name of the package that is imported, such as `fetch_kettle`."""
        return self.distribution.replace("-", "_")

    @property
    def title(self) -> str:
        """The name of the class, such as `FetchKettle`."""
        return "".join(word[0].upper() + word[1:] for word in self.words)

    @property
    def declared(self) -> str:
        """The namespace that the package declares; empty for none."""
        if self.namespace:
            return self.namespace
        return {"scenario": self.title, "sensor": self.distribution}.get(self.kind, "")

    @property
    def id(self) -> str:
        """The id of the thing."""
        last = f"{self.title}-v0" if self.kind == "scenario" else self.distribution
        return f"{self.declared}/{last}" if self.declared else last

    def check_free(self) -> None:
        """Looks whether somebody has one of the names.

        Raises:
            ArgumentError: somebody has; says who.
        """
        self._check_installed()
        self._check_namespace()
        offered = {
            "scenario": [spec.id for spec in registry.scenarios()],
            "agent": [spec.id for spec in registry.agents()],
            "sensor": [spec.id for spec in registry.sensors()],
            "encoder": [spec.id for spec in registry.encoders()],
            "suite": [spec.id for spec in registry.suites()],
        }
        if self.id in offered[self.kind]:
            raise ArgumentError(
                f'there is an installed {self.kind} "{self.id}"; choose another name'
            )

    def _check_installed(self) -> None:
        try:
            version = importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            version = ""
        if version:
            raise ArgumentError(
                f"{self.distribution} {version} is installed already; choose another name"
            )
        if self.module in sys.modules or importlib.util.find_spec(self.module) is not None:
            raise ArgumentError(
                f'there is a module "{self.module}" already; choose another name than "{self.name}"'
            )

    def _check_namespace(self) -> None:
        if not self.declared:
            return
        if self.declared.casefold() == "als":
            raise ArgumentError('the namespace "ALS/" belongs to als-engine; choose another one')
        mine = normalized(self.owner or self.distribution)
        others = _owners(self.declared)
        if strangers := sorted(name for name, owner in others.items() if owner != mine):
            theirs = others[strangers[0]]
            hint = f", or share it with --owner {theirs.replace('-', '_')}" if theirs else ""
            raise ArgumentError(
                f'the namespace "{self.declared}/" belongs to {", ".join(strangers)}; choose '
                f"another one with --namespace{hint}"
            )


def _owners(namespace: str) -> dict[str, str]:
    """Who has a namespace: distributions, and the owner that each declares.

    The owner is empty for one that offers ids in it without declaring it.
    """
    folded = namespace.casefold()
    owners = {
        plugin.distribution: ""
        for plugin in registry.plugins()
        for spec in plugin.specs
        if namespace_of(spec.id).casefold() == folded
    }
    for distribution, declared, owner in find_installed(PROJECT).declared:
        if declared.casefold() == folded:
            owners[distribution] = normalized(owner)
    return owners


def _check(what: str, value: str, pattern: re.Pattern[str], example: str) -> None:
    if not pattern.fullmatch(value):
        raise ArgumentError(
            f"{what} must begin with a letter and have letters, digits and single hyphens, such as "
            f"{example}, got {value!r:.60}"
        )
    if len(value) > _LONGEST:
        raise ArgumentError(f"{what} must have at most {_LONGEST} letters, got {len(value)}")
