"""The settings of one store from what its user gave: file and Python over the environment, every fault said at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from btccxt.bt.other_stores import OF_STORES, written_here
from btccxt.config import Keys, LogConfig, Place, Proxies, StoreConfig, Timeouts, nearest
from btccxt.errors import ConfigError

_PREFIX = "BTCCXT_"  # of environment variables


class LocatedMapping(dict[str, Any]):
    """A mapping that was read from a file; ``at`` tells ``file:line`` of a key in it."""

    def __init__(self, values: Mapping[str, Any], at: Callable[[Sequence[Any]], str]) -> None:
        super().__init__(values)
        self.at = at


def build_config(
    values: Mapping[str, Any],
    place: Place = (),
    lines: SourceLines | None = None,
    environ: Mapping[str, str] | None = None,
) -> StoreConfig:
    """Check ``values`` (names as in the file), the environment's options below them.

    Raises one ConfigError with every fault.
    """
    from_environment = options_of_environment(os.environ if environ is None else environ)
    merged = {**{name: value for name, (_, value) in from_environment.items()}, **values}
    try:
        config = StoreConfig.model_validate(merged)
        config._overrides_at = getattr(values.get("overrides"), "at", None)
        return config
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=True)
    # Raised out here, so that no traceback drags the rejected values along.
    said = []
    for fault in faults:
        name = fault["loc"][0] if fault["loc"] else None
        variable = from_environment[str(name)][0] if name in from_environment and name not in values else None
        source = lines or SourceLines("settings", None)
        said.append(_explain(dict(fault), place, source, variable))
    raise ConfigError("\n".join(said))


def options_of_environment(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Options that the environment sets, with the variable of each: ``BTCCXT_JOURNAL``, ``BTCCXT_TIMEOUTS__STOP_S``."""
    found: dict[str, tuple[str, Any]] = {}
    for name in StoreConfig.model_fields:
        variable = f"{_PREFIX}{name.upper()}"
        text = environ.get(variable, "")
        if text:
            found[name] = variable, _value_of_text(text)
        parts = {
            each.removeprefix(f"{variable}__").lower(): _value_of_text(environ[each])
            for each in sorted(environ)
            if each.startswith(f"{variable}__") and environ[each]
        }
        if parts:
            found[name] = f"{variable}__{next(iter(parts)).upper()}", parts
    return found


def _value_of_text(text: str) -> Any:
    """Numbers, yes and no, lists and mappings as in the file; everything else is text."""
    return yaml.safe_load(text) if re.fullmatch(r"[-+]?\d+(\.\d+)?|true|false|[\[{].*", text, re.DOTALL) else text


class SourceLines:
    """Where in the file a key stands."""

    def __init__(self, name: str, root: yaml.Node | None) -> None:
        self._name = name
        self._root = root

    def at(self, place: Place) -> str:
        """``file:line`` of the key at ``place``, or of the nearest one above it that the file really has."""
        node, line = self._root, None
        for step in place:
            if isinstance(node, yaml.MappingNode):
                entry = next(((key, value) for key, value in node.value if str(key.value) == str(step)), None)
                if entry is None:
                    break
                line, node = entry[0].start_mark.line + 1, entry[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
        return self._name if line is None else f"{self._name}:{line}"


_PARTS: Mapping[Place, type[BaseModel]] = {
    (): StoreConfig,
    ("keys",): Keys,
    ("log",): LogConfig,
    ("proxies",): Proxies,
    ("timeouts",): Timeouts,
}


def _explain(fault: Mapping[str, Any], place: Place, lines: SourceLines, variable: str | None) -> str:
    inside: Place = tuple(fault["loc"])
    where = lines.at((*place, *inside)) if variable is None else f"environment variable {variable}"
    name = ".".join(str(step) for step in (*place, *inside))
    head = f"{where}: {name}: " if name else f"{where}: "
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden":
        part = _PARTS.get(inside[:-1])
        known = [field.alias or own for own, field in part.model_fields.items()] if part else []
        word = str(inside[-1])
        elsewhere = written_here(word, OF_STORES) if part is StoreConfig else ""
        return f"{head}unknown key{elsewhere or nearest(word, known)}"
    if kind in ("enum", "literal_error"):
        return f"{head}{fault['input']!r} is not possible{nearest(str(fault['input']), _quoted(context['expected']))}"
    if kind == "missing":
        return f"{head}is missing"
    text = str(fault["msg"]).removeprefix("Value error, ")
    if kind == "string_type":
        text = "must be text; put it in quotes"
    elif kind in ("dict_type", "mapping_type", "model_type"):
        text = "must be a mapping of names to values"
    elif kind.startswith(("greater_than", "less_than")):
        text = f"{text[:1].lower()}{text[1:]}, not {fault['input']!r}"
    return head + text


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']+)'", text)
