"""A strategy's own variables, kept in the order journal: they are there again after a restart, also after a kill.

    class Grid(Persistent, bt.Strategy):
        def __init__(self):
            self.persist.setdefault("levels", [])

        def next(self):
            self.persist.levels.append(self.data.close[0])
            self.persist.last_entry = Decimal("60000.10")

In a backtest, and with other brokers, they live as long as the strategy.
"""

from __future__ import annotations

import base64
import difflib
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from btccxt.bt.compat import bt
from btccxt.errors import ConfigError

_CONTAINERS = (list, dict, set)


class VariableKeeper(Protocol):
    """Where variables are kept. Any thread."""

    def variables(self, owner: str) -> str | None:
        """What was kept last; None for nothing. Waits for the disk."""

    def keep_variables(self, owner: str, text: str) -> None: ...


class Variables:
    """Attributes that survive, and come back as the same type.

    Values: None, bool, int, float, str, bytes, Decimal, date, datetime, timedelta; lists, tuples, sets, dicts of them.
    """

    _keeper: VariableKeeper | None
    _owner: str
    _version: int
    _values: dict[str, Any]
    _kept: str

    def __init__(self, keeper: VariableKeeper | None, owner: str, version: int, values: Mapping[str, Any]) -> None:
        given = {"_keeper": keeper, "_owner": owner, "_version": version, "_values": dict(values), "_kept": ""}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        values = self._values
        if name in values:
            return values[name]
        near = difflib.get_close_matches(name, values, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "; set it first, or use setdefault()"
        raise AttributeError(f"persist has no variable {name!r}{hint}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise ConfigError(f"persist.{name}: names that begin with _ are not kept")
        encode(value, f"persist.{name}")
        self._values[name] = value
        self.save()

    def __delattr__(self, name: str) -> None:
        getattr(self, name)
        del self._values[name]
        self.save()

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._values))

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)

    def setdefault(self, name: str, default: Any) -> Any:
        """The variable; ``default`` from now on if there is none."""
        if name not in self._values:
            setattr(self, name, default)
        return self._values[name]

    def save(self) -> None:
        """Write what has changed; also what was changed inside lists, dicts and sets. Does not wait for the disk."""
        if self._keeper is None:
            return
        text = to_text(self._version, self._values)
        if text != self._kept:
            object.__setattr__(self, "_kept", text)
            self._keeper.keep_variables(self._owner, text)

    def save_changed(self) -> None:
        """Once per loop: what is inside containers changes without a word."""
        if any(isinstance(value, _CONTAINERS) for value in self._values.values()):
            self.save()


class Persistent:
    """Put it before ``bt.Strategy`` among a strategy's bases; gives it ``self.persist``.

    ``persist_name``: under which the variables are kept; default: the class's name. ``persist_version``: raise it when
    the meaning of a variable changes, and give ``migrate_persist`` what turns old values into new ones.
    """

    persist_name: str | None = None
    persist_version = 1
    env: bt.Cerebro
    broker: Any

    @property
    def persist(self) -> Variables:
        """Raises ConfigError where kept variables cannot be read as this version's."""
        found: Variables | None = self.__dict__.get("_persist")
        if found is None:
            found = self.__dict__["_persist"] = self._open_persist()
        return found

    def migrate_persist(self, version: int, values: dict[str, Any]) -> dict[str, Any]:
        """The values of an older ``version`` as this one's. Override it together with ``persist_version``."""
        raise ConfigError(
            f"variables of {type(self).__name__} were kept by its version {version}, this is {self.persist_version}: "
            "give it a migrate_persist(self, version, values) that returns them as they are meant now"
        )

    def _stop(self) -> None:
        stop: Any = super()  # the strategy's
        stop._stop()
        if "_persist" in self.__dict__:  # what stop() changed
            self.persist.save()

    def _open_persist(self) -> Variables:
        owner = self.persist_name or type(self).__name__
        others: list[Any] = [each for each in self.env.runningstrats if isinstance(each, Persistent)]
        for other in others:
            if other is not self and _owner(other) == owner:
                raise ConfigError(f"two strategies keep variables as {owner!r}: give one of them a persist_name")
        keeper = getattr(self.broker, "store", None)
        if not hasattr(keeper, "keep_variables"):
            return Variables(None, owner, self.persist_version, {})
        assert keeper is not None
        text = keeper.variables(owner)
        version, values = (self.persist_version, {}) if text is None else from_text(text)
        if version > self.persist_version:
            raise ConfigError(
                f"variables of {owner} were kept by a newer version of the strategy ({version}, this one is "
                f"{self.persist_version}); run that one, or give this one another persist_name"
            )
        if version < self.persist_version:
            values = self.migrate_persist(version, values)
        variables = Variables(keeper, owner, self.persist_version, values)
        loop = keeper.cerebro_loop
        if loop is not None:
            loop.this_run.append(variables.save_changed)
        return variables


def _owner(strategy: Persistent) -> str:
    return strategy.persist_name or type(strategy).__name__


# ------------------------------------------------------------------ values as text


def to_text(version: int, values: Mapping[str, Any]) -> str:
    """Raises ConfigError for a value that cannot be kept."""
    kept = {name: encode(value, f"persist.{name}") for name, value in values.items()}
    return json.dumps({"version": version, "values": kept}, separators=(",", ":"))


def from_text(text: str) -> tuple[int, dict[str, Any]]:
    told = json.loads(text)
    return told["version"], {name: _decode(value) for name, value in told["values"].items()}


def encode(value: Any, where: str) -> Any:
    """As JSON knows it; other types as ``{"$type": ...}``. Raises ConfigError naming ``where``."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if value is None or isinstance(value, (bool, str)) or type(value) in (int, float):
        return value
    if isinstance(value, float):  # numpy's, too
        return float(value)
    if isinstance(value, list):
        return [encode(item, where) for item in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: encode(item, f"{where}[{key!r}]") for key, item in value.items()}
        return {"$dict": [[encode(key, where), encode(item, where)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"$tuple": [encode(item, where) for item in value]}
    if isinstance(value, (set, frozenset)):
        return {"$set": sorted((encode(item, where) for item in value), key=repr)}
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, timedelta):
        return {"$timedelta": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise ConfigError(
        f"{where}: a {type(value).__name__} cannot be kept; keep numbers, texts, Decimal, dates, and lists, tuples, "
        "sets and dicts of them (of an order: order.info['client_order_id'])"
    )


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not (kind := next(iter(value))).startswith("$"):
        return {key: _decode(item) for key, item in value.items()}
    told = value[kind]
    if kind == "$dict":
        return {_decode(key): _decode(item) for key, item in told}
    if kind == "$tuple":
        return tuple(_decode(item) for item in told)
    if kind == "$set":
        return {_decode(item) for item in told}
    if kind == "$decimal":
        return Decimal(told)
    if kind == "$datetime":
        return datetime.fromisoformat(told)
    if kind == "$date":
        return date.fromisoformat(told)
    if kind == "$timedelta":
        return timedelta(*told)
    return base64.b64decode(told)
