"""A strategy is found by its file's name, and nothing trades because a file is looked at."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from btccxt.bt.compat import bt
from btccxt.errors import ConfigError
from btccxt.store.strategy_file import load_strategy

SCRIPT = """
import backtrader as bt

class Cross(bt.Strategy):
    pass

cerebro = bt.Cerebro()
cerebro.addstrategy(Cross)
try:
    cerebro.run()
except Exception:
    pass
open({after!r}, "w")
"""


def test_a_file_that_runs_itself_is_read_up_to_there(tmp_path: Path) -> None:
    after = tmp_path / "went on"
    (tmp_path / "script.py").write_text(SCRIPT.format(after=str(after)))
    assert load_strategy(tmp_path / "script.py").__name__ == "Cross"
    assert not after.exists()


def test_meanwhile_other_threads_run_theirs_and_afterwards_all_do(tmp_path: Path) -> None:
    ran = []
    bt.test_hook = lambda: ran.append(bt.Cerebro().run())
    (tmp_path / "beside.py").write_text(
        "import threading\nimport backtrader as bt\nclass Idle(bt.Strategy):\n    pass\n"
        "thread = threading.Thread(target=bt.test_hook)\nthread.start()\nthread.join()\n"
    )
    try:
        load_strategy(tmp_path / "beside.py")
    finally:
        del bt.test_hook
    assert ran == [[]] and bt.Cerebro().run() == []
    assert threading.current_thread() is threading.main_thread()


def test_what_the_file_raises_goes_on_and_a_wrong_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        load_strategy(tmp_path / "fails.py")
    (tmp_path / "two.py").write_text(
        "import backtrader as bt\nclass A(bt.Strategy): pass\nclass Bee(bt.Strategy): pass\n"
    )
    with pytest.raises(ConfigError, match="several strategies"):
        load_strategy(tmp_path / "two.py")
    with pytest.raises(ConfigError, match=r"no strategy 'Be'.*Bee"):
        load_strategy(f"{tmp_path / 'two.py'}:Be")


def test_a_strategy_that_nothing_would_ever_call_is_refused(tmp_path: Path) -> None:
    bodies = {"Deaf": "next_open", "Both": "next_open = next", "Plain": "next", "Early": "prenext"}
    classes = [
        f"class {name}(bt.Strategy):\n"
        + "".join(f"    def {method}(self):\n        pass\n" for method in methods.split(" = "))
        for name, methods in bodies.items()
    ]
    (tmp_path / "some.py").write_text("import backtrader as bt\n" + "".join(classes))
    for name in ("Both", "Plain", "Early"):
        assert load_strategy(tmp_path / "some.py", name).__name__ == name
    with pytest.raises(ConfigError, match=r"Deaf trades in next_open\(\), which .* write next\(\)"):
        load_strategy(tmp_path / "some.py", "Deaf")
