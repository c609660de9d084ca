"""Fills the templates of a package and writes them, all or none of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import als_engine
from als_engine.errors import ArgumentError, SavedFileError
from als_engine.scaffold.names import KINDS, Names
from als_engine.system.leftovers import unfinished
from als_engine.texts import visible

__all__ = ["files", "write"]

_SHARED: Final[Mapping[str, str]] = {
    "pyproject.toml": "shared/pyproject.toml.j2",
    "LICENSE": "shared/LICENSE.j2",
    ".gitignore": "shared/gitignore.j2",
    ".github/workflows/test.yml": "shared/ci.yml.j2",
}
"""Paths in the package to templates."""


def files(names: Names) -> dict[str, str]:
    """The files of a package, by their paths in its folder."""
    kind, module = names.kind, names.module
    thing = "suite.toml" if kind == "suite" else f"{kind}.py"
    templates = {
        **_SHARED,
        "README.md": f"{kind}/README.md.j2",
        f"src/{module}/__init__.py": f"{kind}/init.py.j2",
        f"src/{module}/{thing}": f"{kind}/{thing}.j2",
        f"tests/test_{module}.py": f"{kind}/test.py.j2",
    }
    values = {
        "name": names.distribution,
        "module": module,
        "title": names.title,
        "id": names.id,
        "namespace": names.declared,
        "owner": (names.owner or names.distribution).replace("-", "_"),
        "author": names.author or f"The authors of {names.distribution}",
        "summary": KINDS[kind],
        "extras": "[learn]" if kind in ("encoder", "suite") else "",
        "engine": als_engine.__version__,
        "year": date.today().year,
    }
    environment = _environment()
    filled = {
        path: environment.get_template(template).render(values)
        for path, template in templates.items()
    }
    return {**filled, f"src/{module}/py.typed": ""}


def write(names: Names, folder: Path) -> None:
    """Writes a package into a new folder, or nothing at all.

    Raises:
        ArgumentError: something of that name is there already.
        SavedFileError: it cannot be written.
    """
    if folder.exists() or folder.is_symlink():
        raise ArgumentError(f'"{folder}" exists already; name another folder with --out')
    new = unfinished(folder.absolute())
    try:
        for name, text in files(names).items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        new.rename(folder.absolute())
    except OSError as error:
        raise SavedFileError(f'cannot write "{folder}": {error.strerror or error}') from error
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _environment() -> Any:
    """Fills templates that are no pages: names were checked, and other texts have a filter."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        loader=PackageLoader("als_engine.scaffold"),
    )
    environment.filters["toml"] = _quoted
    return environment


def _quoted(text: str) -> str:
    """A text as a string of TOML, and of Python."""
    return json.dumps(visible(text), ensure_ascii=False)
