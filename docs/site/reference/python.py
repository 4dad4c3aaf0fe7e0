"""The Python API as Markdown, made of its docstrings. Prints `{"pages": {path: text}, "missing": [name, ...]}`.

Nothing of the package is imported: griffe reads the source.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "pipekit_experiment"
SOURCE = Path(__file__).resolve().parents[3] / "clients/python/src"

missing: list[str] = []


def target(obj: griffe.Object | griffe.Alias) -> griffe.Object:
    """The object itself, where a name stands for one of another module."""
    return obj.final_target if isinstance(obj, griffe.Alias) else obj


def docstring(obj: griffe.Object | griffe.Alias, name: str) -> str:
    """The docstring, with the lists of Google's style as Markdown lists; notes it when there is none."""
    found = target(obj).docstring
    if found is None or not found.value.strip():
        missing.append(name)
        return ""
    lines = []
    for section in griffe.parse_google(found, warnings=False):
        if section.kind.value == "text":
            lines += [section.value, ""]
        elif section.kind.value == "parameters":
            lines += [
                f"- `{one.name}`: {inspect.cleandoc(one.description)}"
                for one in section.value
            ] + [""]
        else:
            # Another heading of Google's style: as it stands.
            lines += [found.value, ""]
            break
    return "\n".join(lines).strip()


def signature(obj: griffe.Function, name: str) -> str:
    """As it is called: `load(ref, *, trust=())`, with types."""
    head = f"{name}("
    parts: list[str] = []
    keyword_only = False
    for one in obj.parameters:
        if one.name in ("self", "cls"):
            continue
        kind = one.kind.value if one.kind else ""
        if kind == "keyword-only" and not keyword_only:
            keyword_only = True
            parts.append("*")
        keyword_only = keyword_only or kind == "variadic positional"
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        text = f"{stars}{one.name}" + (
            f": {one.annotation}" if one.annotation is not None else ""
        )
        if one.default is not None and not stars:
            text += f" = {one.default}"
        parts.append(text)
    result = f") -> {obj.returns}" if obj.returns is not None else ")"
    line = head + ", ".join(parts) + result
    return (
        line
        if len(line) <= 88
        else head + "".join(f"\n    {part}," for part in parts) + "\n" + result
    )


def public_members(
    obj: griffe.Object,
) -> Iterator[tuple[str, griffe.Object | griffe.Alias]]:
    """Public members of a class, its own first, then those that it inherits from classes of the package."""
    seen: set[str] = set()
    classes = (
        [obj, *[base for base in obj.mro() if base.path.startswith(PACKAGE)]]
        if obj.is_class
        else [obj]
    )
    for one in classes:
        for name, member in one.members.items():
            if name.startswith("_") or name in seen:
                continue
            seen.add(name)
            yield name, member


def render_function(
    obj: griffe.Function, name: str, title: str, level: int
) -> list[str]:
    """A function or method."""
    text = docstring(obj, title)
    return [
        f"{'#' * level} {title}",
        "",
        "```python",
        signature(obj, name),
        "```",
        "",
        text,
        "",
    ]


def render_class(cls: griffe.Class, title: str) -> list[str]:
    """A class: how it is made, what it has, what it does."""
    lines = [f"## {title}", ""]
    start = cls.all_members.get("__init__")
    is_error = any(
        "Error" in str(base) or str(base) == "Exception" for base in cls.bases
    )
    if (
        start is not None
        and not is_error
        and isinstance(target(start), griffe.Function)
    ):
        lines += ["```python", signature(target(start), title), "```", ""]
    elif cls.bases:
        lines += [
            "```python",
            f"class {title}({', '.join(str(base) for base in cls.bases)})",
            "```",
            "",
        ]
    lines += [docstring(cls, title), ""]
    if start is not None and target(start).docstring is not None:
        lines += [docstring(start, title), ""]
    fields, methods = [], []
    for name, member in public_members(cls):
        one = target(member)
        full = f"{title}.{name}"
        if isinstance(one, griffe.Function):
            methods += render_function(one, name, full, 3)
        elif isinstance(one, griffe.Attribute):
            note = (
                " ".join(docstring(one, full).split())
                if one.docstring or one.labels & {"property"}
                else ""
            )
            kind = f" `{one.annotation}`" if one.annotation is not None else ""
            fields.append(f"- `{name}`{kind}" + (f": {note}" if note else ""))
    return [*lines, *fields, *([""] if fields else []), *methods]


def public_names(module: griffe.Module) -> list[str]:
    """What `__all__` names; of a module without one, what it defines itself."""
    if module.exports is not None:
        names = [str(one) for one in module.exports]
    else:
        defined = {
            name: one
            for name, one in module.members.items()
            if isinstance(one, griffe.Object)
        }
        names = [
            name for name, one in defined.items() if one.is_class or one.is_function
        ]
    return sorted(
        name for name in names if not name.startswith("_") and name in module.members
    )


def render_module(module: griffe.Module) -> str:
    """A module: what its `__all__` names."""
    lines = [f"# {module.path}", "", docstring(module, module.path), ""]
    for name in public_names(module):
        member = module.members[name]
        one = target(member)
        if isinstance(one, griffe.Class):
            lines += render_class(one, name)
        elif isinstance(one, griffe.Function):
            lines += render_function(one, name, name, 2)
        elif isinstance(one, griffe.Module):
            lines += [f"- [`{one.path}`](/reference/python/{page_name(one)})"]
        else:
            lines += [f"## {name}", "", docstring(one, f"{module.path}.{name}"), ""]
    return "\n".join(lines).rstrip() + "\n"


def page_name(module: griffe.Module) -> str:
    """`adapters-mlflow` of `pipekit_experiment.adapters.mlflow`."""
    return module.path.removeprefix(PACKAGE).lstrip(".").replace(".", "-") or "index"


def public_modules(module: griffe.Module) -> Iterator[griffe.Module]:
    """The modules that are imported by name."""
    yield module
    for name, member in sorted(module.members.items()):
        if not name.startswith("_") and isinstance(member, griffe.Module):
            yield from public_modules(member)


def main() -> None:
    """Prints all pages."""
    package = griffe.load(PACKAGE, search_paths=[SOURCE], resolve_aliases=True)
    assert isinstance(package, griffe.Module)
    modules = list(public_modules(package))
    pages = {f"{page_name(module)}.md": render_module(module) for module in modules}
    listed = "\n".join(
        f"- [`{one.path}`](/reference/python/{page_name(one)})" for one in modules[1:]
    )
    pages["index.md"] = f"{pages['index.md']}\n## Modules\n\n{listed}\n"
    json.dump({"pages": pages, "missing": missing}, sys.stdout)


if __name__ == "__main__":
    main()
