"""How DVC and its libraries write and read what we do."""

from __future__ import annotations

import json
from typing import Any

from configobj import ConfigObj
from dvc.ignore import DvcIgnorePatterns
from dvc.utils.serialize._yaml import dumps_yaml
from questions import answer_questions


def answer(question: dict[str, Any]) -> Any:
    what, items = question["what"], question["items"]
    if what == "listings":
        return [json.dumps(sorted(entries, key=lambda e: e["relpath"]), sort_keys=True) for entries in items]
    if what == "yaml":
        return [dumps_yaml({"outs": [{"path": text}]}) for text in items]
    if what == "ignored":
        return [ignored(**item) for item in items]
    return [ConfigObj(text.splitlines()).dict() for text in items]


def ignored(lines: list[str], paths: list[str], folders: list[bool]) -> list[bool]:
    try:
        patterns = DvcIgnorePatterns([line for line in lines if line], "/root", "/")
    except Exception:
        return []
    verdicts: list[bool] = []
    for path, is_folder in zip(paths, folders, strict=True):
        folder, _, name = f"/root/{path}".rpartition("/")
        verdicts.append(bool(patterns.matches(folder, name, is_folder)))
    return verdicts


answer_questions(answer)
