"""The config file: YAML with named profiles, read into the settings of one store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from btccxt.config import Place, StoreConfig, nearest
from btccxt.errors import ConfigError
from btccxt.store.build_config import LocatedMapping, SourceLines, build_config


def load_config(path: str | Path, profile: str | None = None) -> StoreConfig:
    """The settings of one profile of a YAML file; its name may be left out if the file has only one.

    Raises ConfigError: file unreadable, not YAML, a key twice, a profile that is not there, or as ``build_config``.
    """
    return build_config(*_read_profile(path, profile))


def load_options(path: str | Path, profile: str | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords for a store: of the file, checked, and ``more`` over them. Raises as ``load_config``."""
    values, place, lines = _read_profile(path, profile)
    given = {**values, **more}
    build_config(given, place, lines)
    return given


def profile_of_mode(path: str | Path, mode: str) -> str | None:
    """Where only one profile of the file is of this mode: its name. Raises as ``load_config``."""
    profiles, _ = _read_file(Path(path).expanduser())
    found = [str(name) for name, each in profiles.items() if isinstance(each, dict) and each.get("mode") == mode]
    return found[0] if len(found) == 1 else None


def profile_names(path: str | Path) -> list[str]:
    """Of all profiles of a file. Raises ConfigError."""
    profiles, _ = _read_file(Path(path).expanduser())
    return [str(name) for name in profiles]


def _read_profile(path: str | Path, profile: str | None) -> tuple[dict[str, Any], Place, SourceLines]:
    path = Path(path).expanduser()
    profiles, lines = _read_file(path)
    names = [str(name) for name in profiles]
    if profile is None:
        if len(names) > 1:
            raise ConfigError(f"{path}: choose a profile: {', '.join(names)}")
        profile = names[0]
    if profile not in names:
        raise ConfigError(f"{path}: no profile {profile!r}{nearest(profile, names)}")
    values = profiles[next(name for name in profiles if str(name) == profile)]
    place = ("profiles", profile)
    if not isinstance(values, dict):
        raise ConfigError(f"{lines.at(place)}: profile {profile!r} is empty or not a mapping")
    if isinstance(overrides := values.get("overrides"), dict):
        values["overrides"] = LocatedMapping(overrides, lambda path: lines.at((*place, "overrides", *path)))
    return values, place, lines


def _read_file(path: Path) -> tuple[dict[Any, Any], SourceLines]:
    """Its profiles, and where their keys stand."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path}: {getattr(error, 'strerror', None) or 'is not UTF-8 text'}") from None
    data, lines = _parse(path, text)
    for name in data:
        if name != "profiles" and not str(name).startswith("x-"):
            raise ConfigError(f"{lines.at((name,))}: unknown key {name!r}; the file begins with 'profiles:'")
    profiles = data.get("profiles")
    if not isinstance(profiles, dict) or not profiles:
        raise ConfigError(f"{path}: no profiles; the file begins with 'profiles:' and a name for each")
    return profiles, lines


def _parse(path: Path, text: str) -> tuple[dict[Any, Any], SourceLines]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_twice(path, root)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        # What YAML quotes from the file could be part of a key; its own words and single signs are none.
        problem = re.sub(r"'([^']*)'", _unless_a_word_of_yaml, error.problem or "is not YAML")
        fault = f"{path}{line}: {problem}; texts with special characters need quotes"
    except yaml.YAMLError as error:
        fault = f"{path}: is not YAML ({type(error).__name__})"
    except RecursionError:
        fault = f"{path}: nests too deeply, or an alias (*name) stands inside what it names"
    else:
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: is empty; the file begins with 'profiles:'")
        return data, SourceLines(str(path), root)
    raise ConfigError(fault)


def _unless_a_word_of_yaml(quoted: re.Match[str]) -> str:
    return quoted[0] if re.fullmatch(r"<[a-z ]+>|\W{1,2}", quoted[1]) else "'…'"


def _refuse_twice(path: Path, node: yaml.Node | None) -> None:
    """YAML lets the second of two equal keys win in silence: ``mode: paper`` could be ``live`` a screen below."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twice(path, item)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if isinstance(key, yaml.ScalarNode) and seen.setdefault(key.value, line) != line:
            raise ConfigError(f"{path}:{line}: {key.value!r} stands already in line {seen[key.value]}")
        _refuse_twice(path, value)
