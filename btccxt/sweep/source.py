"""A strategy as its file: so that any process can load it, and a study knows when it has changed."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.store.strategy_file import load_strategy
from btccxt.sweep.source_files import files_of

_loading: list[str] = []


@dataclass(frozen=True, slots=True)
class StrategySource:
    """``module`` where the class can be imported, else ``file``. ``digest``: of the file and those beside it that it
    imports.

    A class itself does not travel: pickled by value, backtrader's parameters are lost without a word.
    """

    file: str
    module: str | None
    class_name: str
    digest: str

    def load(self) -> type[bt.Strategy]:
        """The class, in this process. What its file raises goes on."""
        _loading.append(self.file)
        try:
            if self.module is None:
                return load_strategy(self.file, self.class_name)
            found: type[bt.Strategy] = getattr(import_module(self.module), self.class_name)
            return found
        finally:
            _loading.pop()


def refuse_while_loading() -> None:
    """Raises ConfigError inside a strategy's file that is being loaded for a study: it would start the next one."""
    if _loading:
        raise ConfigError(
            f"{_loading[-1]} starts a study while it is being loaded for one: put the call under "
            'if __name__ == "__main__":'
        )


def strategy_source(given: type[bt.Strategy] | str | Path) -> tuple[type[bt.Strategy], StrategySource]:
    """The class and where it comes from. Raises ConfigError for what is no strategy in a file."""
    if isinstance(given, (str, Path)):
        _loading.append(str(given))
        try:
            strategy = load_strategy(given)
        finally:
            _loading.pop()
    elif isinstance(given, type) and issubclass(given, bt.Strategy):
        strategy = given
    else:
        raise ConfigError(f"strategy={given!r}: give a bt.Strategy class, or 'file.py:Class'")
    name = strategy.__name__
    try:
        file = inspect.getsourcefile(strategy)
    except (TypeError, OSError):  # typed into an interpreter
        file = None
    if file is None or not Path(file).is_file():
        raise ConfigError(f"{name} is in no file: other processes cannot load it; write it into one")
    module = sys.modules[strategy.__module__]
    if getattr(module, strategy.__qualname__, None) is not strategy:
        raise ConfigError(f"{strategy.__qualname__} is made inside a function: put it at the top level of {file}")
    by_file = isinstance(given, (str, Path)) or strategy.__module__ in ("__main__", "__mp_main__")
    path = str(Path(file).resolve())
    return strategy, StrategySource(path, None if by_file else strategy.__module__, name, _digest(Path(path)))


def _digest(file: Path) -> str:
    """Of the file and of those beside it that it imports: a helper that changed changes the results."""
    told = hashlib.sha256()
    for path in files_of(file):
        told.update(path.name.encode())
        told.update(path.read_bytes())
    return told.hexdigest()[:24]


def analyzer_classes(names: tuple[str, ...], strategy: type[bt.Strategy]) -> Mapping[str, type[bt.Analyzer]]:
    """Analyzers of the strategy's own file, or of backtrader. Raises ConfigError."""
    found: dict[str, type[bt.Analyzer]] = {}
    for name in names:
        own = getattr(sys.modules[strategy.__module__], name, None)
        chosen = own if own is not None else getattr(bt.analyzers, name, None)
        if not (isinstance(chosen, type) and issubclass(chosen, bt.Analyzer)):
            raise ConfigError(f"there is no analyzer {name!r}, neither in the strategy's file nor in bt.analyzers")
        found[name] = chosen
    return found
