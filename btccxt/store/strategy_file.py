"""A strategy by the name of its file: ``averages.py`` or ``averages.py:Crossing``; and its parameters as text."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from btccxt.bt.compat import bt
from btccxt.config import nearest
from btccxt.errors import ConfigError

_WORDS: Mapping[str, Any] = {"true": True, "false": False, "none": None}


def load_strategy(source: str | Path, class_name: str | None = None) -> type[bt.Strategy]:
    """The strategy class of a Python file, named after a colon where the file has several.

    A file that runs a cerebro of its own is read up to there: nothing trades because a file is looked at. Raises
    ConfigError if there is no class, more than one to choose from, or one that nothing calls; what the file itself
    raises goes on.
    """
    path = Path(source)
    if class_name is None and not path.is_file():
        text, _, name = str(source).rpartition(":")
        if text and name.isidentifier():
            path, class_name = Path(text), name
    if not path.is_file():
        raise ConfigError(f"there is no file {path}{_near_files(path)}")
    found = _strategies(path)
    own = {name: value for name, value in found.items() if value.__module__ == _module_name(path)}
    if class_name is not None and class_name not in found:
        raise ConfigError(f"{path} has no strategy {class_name!r}{nearest(class_name, own) if own else ''}")
    if class_name is None and len(own) != 1:
        names = ", ".join(own)
        many = f"several strategies ({names}): write {path}:{next(iter(own))}" if own else "no bt.Strategy class"
        raise ConfigError(f"{path} has {many}")
    chosen = found[class_name or next(iter(own))]
    check_trades(chosen)
    return chosen


def _module_name(path: Path) -> str:
    return f"strategy_file_{path.stem}"  # a json.py of the user's must not take the place of Python's own


def _strategies(path: Path) -> dict[str, type[bt.Strategy]]:
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # backtrader looks a strategy's module up by its name
    folder = str(path.parent.absolute())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    with _nothing_runs(), contextlib.suppress(_OwnRun):
        spec.loader.exec_module(module)
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, bt.Strategy)
    }


class _OwnRun(BaseException):
    """The file that is read calls ``cerebro.run()``; no ``except Exception`` of its own is meant."""


@contextlib.contextmanager
def _nothing_runs() -> Iterator[None]:
    """While a file is read, a cerebro that this thread runs ends the reading; those of other threads run on."""
    run, reader = bt.Cerebro.run, threading.get_ident()

    def guarded(cerebro: bt.Cerebro, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() == reader:
            raise _OwnRun
        return run(cerebro, *args, **kwargs)

    bt.Cerebro.run = guarded  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        bt.Cerebro.run = run  # type: ignore[method-assign]


def _near_files(path: Path) -> str:
    folder = path.parent
    names = [each.name for each in folder.glob("*.py")] if folder.is_dir() else []
    return nearest(path.name, names) if names else ""


def parse_params(given: Sequence[str]) -> dict[str, Any]:
    """``["fast=5", "share=0.5"]``: numbers, true, false and none as such, everything else as text.

    Raises ConfigError for one without ``=``, and for one given twice.
    """
    params: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise ConfigError(f"--param {text!r}: write it as name=value")
        if name in params:
            raise ConfigError(f"--param {name} is given twice")
        params[name] = param_value(value)
    return params


def param_value(text: str) -> Any:
    """A parameter as its text means it."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def check_trades(strategy: type[bt.Strategy]) -> None:
    """Raises ConfigError for one that nothing would ever call."""
    if strategy.next_open is not bt.Strategy.next_open and strategy.next is bt.Strategy.next:
        raise ConfigError(
            f"{strategy.__name__} trades in next_open(), which backtrader calls only where cerebro cheats on the open: "
            "that price is not known before the bar opens; write next()"
        )


def check_params(strategy: type[bt.Strategy], params: Mapping[str, Any]) -> None:
    """Raises ConfigError for a name that the strategy does not have; backtrader would say it with a traceback."""
    known = [name for name in strategy.params._getkeys() if not name.startswith("_")]
    for name in params:
        if name not in known:
            words = nearest(name, known) if known else "; it has none"
            raise ConfigError(f"{strategy.__name__} has no parameter {name!r}{words}")
