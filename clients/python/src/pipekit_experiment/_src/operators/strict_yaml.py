"""YAML that says what JSON can, and nothing else.

Written: block style, no aliases, no tags. A string is quoted where YAML 1.1 or 1.2 would read something else,
so that every reader reads the same. Read: YAML 1.2's core schema; JSON is a part of it. Aliases, anchors,
tags, keys that are there twice or are no text, .nan and .inf are refused with their line."""

from __future__ import annotations

import re
import sys
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidConfigError
from pipekit_experiment._src.strict_json import plain_json

try:
    import yaml
except ImportError as error:
    raise ImportError("YAML needs PyYAML: run `pip install pyyaml`.", name=error.name) from error

_MAX_CHARACTERS = 16 * 1024 * 1024
_MAX_DEPTH = 100

_NULL = re.compile(r"(~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_BREAKS = re.compile("[\r\x85\u2028\u2029]")
_NON_FINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)\Z|(\.nan|\.NaN|\.NAN)\Z")


def yaml_text(value: Any, root: str) -> str:
    """YAML of a JSON value. Raises InvalidConfigError whose field is the path, beginning with `root`."""
    return yaml.dump(
        plain_json(value, root),
        Dumper=_Dumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=sys.maxsize,
    )


def read_yaml(text: str, root: str) -> Any:
    """The JSON value that YAML says. Raises InvalidConfigError that names the line, or the path."""
    if len(text) > _MAX_CHARACTERS:
        raise InvalidConfigError(
            f"The YAML has {len(text)} characters.", field=root, mend=f"At most {_MAX_CHARACTERS} are read."
        )
    try:
        reader: Any = _Reader(text)
        try:
            node = reader.get_single_node()
        finally:
            reader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _refused(f"{error.problem or error.context}", line) from error
    except yaml.YAMLError as error:
        raise _refused(f"{error}".partition("\n")[0], 1) from error
    value = None if node is None else _value(node, root)
    # What YAML can say and JSON cannot: integers beyond 2^53, halves of surrogate pairs.
    return plain_json(value, root)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> Any:
        # In single quotes these would be read as the line breaks that YAML 1.1 has besides \n.
        style = '"' if _BREAKS.search(data) else None
        return cast("Any", self).represent_scalar("tag:yaml.org,2002:str", data, style)


_Dumper.add_representer(str, _Dumper.represent_str)

# SafeDumper quotes what YAML 1.1 would take for something else; this adds YAML 1.2.
for _tag, _pattern in (("int", _INT), ("float", _FLOAT)):
    cast("Any", _Dumper).add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, list("-+.0123456789"))


class _Reader(yaml.SafeLoader):
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = cast("Any", self).peek_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _refused("an alias or anchor stands here; values are written out", line)
        if event.tag is not None:
            raise _refused(f"the tag {event.tag} stands here; there are none in this YAML", line)
        if self._depth >= _MAX_DEPTH:
            raise _refused(f"it is nested more than {_MAX_DEPTH} levels deep", line)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _value(node: Any, path: str) -> Any:
    if isinstance(node, yaml.SequenceNode):
        items: list[Any] = node.value
        return [_value(item, f"{path}[{index}]") for index, item in enumerate(items)]
    if isinstance(node, yaml.MappingNode):
        entries: dict[str, Any] = {}
        for key_node, item in cast("list[tuple[Any, Any]]", node.value):
            key = _scalar(key_node, path) if isinstance(key_node, yaml.ScalarNode) else key_node
            if not isinstance(key, str):
                raise _refused(f"a key in `{path}` is no text", key_node.start_mark.line + 1, path)
            if key in entries:
                raise _refused(f"the key `{path}.{key}` is there twice", key_node.start_mark.line + 1, path)
            entries[key] = _value(item, f"{path}.{key}")
        return entries
    return _scalar(node, path)


def _scalar(node: Any, path: str) -> Any:
    text: str = node.value
    if node.style is not None:
        return text
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text.lower() == "true"
    line = node.start_mark.line + 1
    if _INT.match(text):
        if len(text) > 20:
            raise _refused(f"`{path}` is an integer beyond 2^53", line, path)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _NON_FINITE.match(text):
        raise _refused(f"`{path}` is {text}, which JSON cannot say", line, path)
    return float(text) if _FLOAT.match(text) else text


def _refused(fault: str, line: int, field: str = "") -> InvalidConfigError:
    return InvalidConfigError(
        f"The YAML is not good in line {line}: {fault}.",
        field=field or f"line {line}",
        mend="Mend that line.",
    )
