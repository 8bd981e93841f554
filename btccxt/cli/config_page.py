"""Every option of a store, read from the schema: what ``btccxt config options`` shows, and ``docs/config.md``."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from enum import Enum
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from btccxt.cli.init import config_text
from btccxt.config import Keys, LogConfig, Proxies, StoreConfig, Timeouts
from btccxt.matching.paper_options import PaperOptions
from btccxt.orders.policy import TrackerPolicy, is_from_profile
from btccxt.orders.risk import RiskLimits
from btccxt.resilience.breaker import BreakerPolicy
from btccxt.session.stream_policy import StreamPolicy
from btccxt.sim.options import SimOptions

REGENERATE = "btccxt config options --docs docs/config.md"
_LONGEST = 60
_PARTS: dict[str, type[Any]] = {
    "keys": Keys,
    "log": LogConfig,
    "timeouts": Timeouts,
    "proxies": Proxies,
    "sim": SimOptions,
    "paper": PaperOptions,
    "risk": RiskLimits,
    "streams": StreamPolicy,
    "breaker": BreakerPolicy,
    "tracker": TrackerPolicy,
}


@dataclass(frozen=True, slots=True)
class Option:
    """``default`` as text; None where the option is required."""

    name: str
    default: str | None
    about: str

    @property
    def variable(self) -> str:
        return f"BTCCXT_{self.name.upper()}"


def store_options() -> list[Option]:
    return list(_options(StoreConfig))


def page() -> str:
    """``docs/config.md``, whole."""
    lines = [
        "# Every option",
        "",
        f"Made from the code by `{REGENERATE}`: correct the code, not this page.",
        "",
        "Each option is a keyword of `CCXTStore`, a key of a profile in the config file, and an environment variable.",
        "What is given in Python wins over the file, the file over the environment, the environment over the default.",
        "`btccxt config check` says whether a file is right; a misspelled key is answered with the nearest one.",
        "",
        "## A sample file",
        "",
        "`btccxt init` writes this one:",
        "",
        "```yaml",
        *config_text("binance").rstrip().splitlines(),
        "```",
        "",
        "## Options of a store",
        "",
        "| option | environment | default | what |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{each.name}` | `{each.variable}` | {_cell(each)} | {_plain(each.about)} |" for each in store_options()
    ]
    lines += [
        "",
        "A part of an option has two underscores in its variable: `BTCCXT_TIMEOUTS__STOP_S=20`.",
        "Numbers, yes and no, lists and mappings are written there as in the file.",
    ]
    for name, part in _PARTS.items():
        lines += ["", f"## {name}", "", *_introduced(part), "| field | default | what |", "|---|---|---|"]
        lines += [f"| `{each.name}` | {_cell(each)} | {_plain(each.about)} |" for each in _options(part)]
    return "\n".join(lines) + "\n"


def _options(cls: type[Any]) -> Iterator[Option]:
    about = _about(cls)
    if issubclass(cls, BaseModel):
        for name, field in cls.model_fields.items():
            default = None if field.is_required() else _short(field.get_default(call_default_factory=True))
            yield Option(field.alias or name, default, about.get(name, ""))
        return
    usual = cls()
    for name in (each.name for each in dataclass_fields(cls)):
        yield Option(name, _short(getattr(usual, name)), about.get(name, ""))


def _about(cls: type[Any]) -> dict[str, str]:
    """What stands below a field as text, or behind it as a comment."""
    source = textwrap.dedent(inspect.getsource(cls))
    lines = source.splitlines()
    (schema,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for named, text in pairwise([*schema.body, ast.Pass()]):
        if not isinstance(named, ast.AnnAssign) or not isinstance(named.target, ast.Name):
            continue
        rest = lines[(named.end_lineno or 1) - 1][named.end_col_offset :].strip()
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[named.target.id] = " ".join(str(text.value.value).split())
        elif rest.startswith("#"):
            found[named.target.id] = rest.removeprefix("#").strip()
    return found


def _short(value: object) -> str:
    if is_from_profile(value):
        return "as the exchange's profile says"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Mapping) and value:
        return ", ".join(f"{_short(name)} {_short(item)}" for name, item in value.items())
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{type(value).__name__}(…)"


def _cell(option: Option) -> str:
    if option.name in _PARTS:
        return "[below](#" + option.name + ")"
    if option.default is None:
        return "required"
    return "none" if option.default in ("None", "{}", "()") else option.default


def _plain(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def _introduced(cls: type[Any]) -> list[str]:
    text = vars(cls).get("__doc__") or ""
    return [] if not text or text.startswith(f"{cls.__name__}(") else [_plain(inspect.cleandoc(text)), ""]
