"""The reference of the API: a page for each package, filled from the docstrings by mkdocstrings."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {"als_engine": ROOT, "als_bench": ROOT / "plugins"}
"""What is described: the package, and the folder that it lies in."""


def modules(package: str) -> Iterator[str]:
    """All modules of a package but private ones, packages before what is in them."""
    base = PACKAGES[package]
    for path in sorted((base / package).rglob("*.py")):
        parts = list(path.relative_to(base).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        if not any(part.startswith("_") for part in parts):
            yield ".".join(parts)


def source(module: str) -> Path:
    """The file of a module."""
    path = PACKAGES[module.partition(".")[0]].joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def public(module: str) -> list[str]:
    """The public names that a module defines itself."""
    tree = ast.parse(source(module).read_text(encoding="utf-8"))
    defined = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    ]
    listed = _all(tree)
    return defined if listed is None else [name for name in defined if name in listed]


def _all(tree: ast.Module) -> list[str] | None:
    """What `__all__` says, if there is one."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return None


def pages() -> dict[str, str]:
    """Paths of pages to their Markdown: one for each package and for each module beside them."""
    made = {"reference/index.md": index()}
    for title, members in groups().items():
        blocks = [f"::: {module}" for module in members if public(module)]
        if blocks:
            made[f"reference/{title}.md"] = "\n\n".join([f"# {title}", *blocks, ""])
    return made


def groups() -> dict[str, list[str]]:
    """The modules of each page: those of a package of the first level, or one that stands alone."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for module in modules(package):
            title = ".".join(module.split(".")[:2])
            found.setdefault(title, []).append(module)
    return found


def index() -> str:
    """The first page: what `import als_engine` and `import als_bench` give, and all pages."""
    engine = importlib.import_module("als_engine")
    rows = ["| name | is |", "| --- | --- |"]
    for name in sorted(engine.__all__, key=str.lower):
        value = getattr(engine, name)
        text = (getattr(value, "__doc__", None) or "").strip().partition("\n")[0]
        path = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
        shown = "the version of the engine" if name == "__version__" else text.replace("|", "\\|")
        known = isinstance(value, type) or callable(value)
        link = f"[`{name}`][{path}]" if known and path.startswith("als_engine.") else f"`{name}`"
        rows.append(f"| {link} | {shown} |")
    titles = [title for title, members in groups().items() if any(map(public, members))]
    return "\n".join(
        [
            "# Reference",
            "",
            "Made from the docstrings. What is promised of these names, and for how long, says",
            "[Versions](../versions.md).",
            "",
            "## als_engine",
            "",
            "These names can be imported from `als_engine` itself; each is loaded when it is first",
            "used. The exceptions are in [`als_engine.errors`](als_engine.errors.md).",
            "",
            *rows,
            "",
            "## By module",
            "",
            *(f"- [`{title}`]({title}.md): {_first_line(title)}" for title in titles),
            "",
        ]
    )


def _first_line(module: str) -> str:
    text = ast.get_docstring(ast.parse(source(module).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]
