from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from btccxt.errors import ConfigError
from btccxt.observe.log import EventName, LogFormatter, configure, get_logger, keep_clean, reset
from btccxt.observe.redact import HIDDEN

FOREIGN = ("ccxt.base.exchange", "aiohttp.client", "asyncio")


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_importing_the_library_leaves_logging_as_it_was() -> None:
    program = (
        "import logging, btccxt.observe.log as l, structlog;"
        "assert logging.root.handlers == [] and logging.getLogger('btccxt').handlers == [];"
        "assert logging.getLogger('ccxt').level == 0 and not structlog.is_configured()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unconfigured_application_still_sees_warnings_but_not_chatter() -> None:
    program = (
        "from btccxt.observe.log import *; log = get_logger('btccxt.x');"
        "log.info(EventName.STATE_CHANGED); log.error(EventName.STREAM_FAILED, path='/j')"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stderr == "stream_failed path=/j\n"
    assert done.stdout == ""


def test_a_json_line_has_time_level_logger_event_and_fields(tmp_path: Path) -> None:
    configure("info", json=True, file=tmp_path / "logs" / "bot.log")
    get_logger("btccxt.session.streams").warning(EventName.STATE_CHANGED, stream="bars BTC/USDT 1m", age_s=95.5)
    (line,) = lines_of(tmp_path / "logs" / "bot.log")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("timestamp")))
    assert line == {
        "level": "warning",
        "logger": "btccxt.session.streams",
        "event": "state_changed",
        "stream": "bars BTC/USDT 1m",
        "age_s": 95.5,
    }


def test_a_text_line_reads_well_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    get_logger("btccxt.store.store").info(EventName.STORE_STARTED, exchange="binance")
    written = capsys.readouterr().err
    assert "store_started" in written
    assert "exchange=binance" in written


def test_event_names_are_unique_and_plain() -> None:
    assert len(set(EventName)) == len(EventName.__members__)
    for name in EventName:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name.value)
        assert str(name) == name.value


def raise_with(secret: str) -> None:
    try:
        raise KeyError(f"request with {secret} failed")
    except KeyError as error:
        raise ConnectionError(f"GET /order?signature=s1gn4ture&x={quote(secret, safe='')}") from error


def write_everything(secret: str) -> None:
    """Every way in which a key could end up in a log."""
    ours = get_logger("btccxt.test")
    ours.error("order_sent", note=f"with {secret}", nested={"config": {"headers": [secret]}}, raw=secret.encode())
    ours.error(f"event with {secret}", apiKey="unregistered1", error=ValueError(secret))
    ours.bind(bound=secret).warning("bound")
    for number, name in enumerate(FOREIGN):
        foreign = logging.getLogger(name)
        foreign.error("plain %s and args %s", secret, {"secret": "unregistered2"})
        foreign.warning("https://api.x.com/o?apiKey=unregistered3&signature=unregistered4&n=%d", number)
        try:
            raise_with(secret)
        except ConnectionError:
            foreign.exception("foreign trouble")
    try:
        raise_with(secret)
    except ConnectionError:
        ours.exception("our trouble")


def assert_clean(written: str, secret: str) -> None:
    for spelling in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], "unregistered", "s1gn4ture"):
        assert spelling not in written
    assert written.count(HIDDEN) >= 12
    assert "Traceback" in written


@pytest.mark.parametrize("as_json", [True, False])
def test_no_planted_secret_reaches_the_file(planted: str, tmp_path: Path, as_json: bool) -> None:
    configure("debug", json=as_json, file=tmp_path / "bot.log")
    write_everything(planted)
    assert_clean((tmp_path / "bot.log").read_text(), planted)


def test_no_planted_secret_reaches_the_terminal(planted: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug")
    write_everything(planted)
    captured = capsys.readouterr()
    assert_clean(captured.err, planted)
    assert captured.out == ""


def test_what_btccxt_hands_to_the_applications_own_logging_is_clean_too(
    planted: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        ours = get_logger("btccxt.test")
        try:
            raise_with(planted)
        except ConnectionError:
            ours.exception("trouble 100%", note=planted, apiKey="unregistered1")
    assert "trouble 100% note=*** apiKey=***" in caplog.text
    assert "ConnectionError" in caplog.text
    for record in caplog.records:
        assert planted not in repr(vars(record))
        assert "unregistered" not in repr(vars(record))
    assert "s1gn4ture" not in caplog.text


def test_another_librarys_logger_kept_clean_writes_no_secret_to_the_applications_handlers(
    planted: str, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("ccxt.kept.clean")
    keep_clean(logger)
    keep_clean(logger)
    assert len(logger.filters) == 1
    with caplog.at_level("DEBUG"):
        logger.debug("headers %s", {"X-MBX-APIKEY": "unregistered1", "other": planted})
        try:
            raise_with(planted)
        except ConnectionError:
            logger.exception("trouble")
    assert "trouble" in caplog.text and "Traceback" in caplog.text
    for record in caplog.records:
        assert planted not in repr(vars(record)) and "unregistered" not in repr(vars(record))
        assert "Traceback" in LogFormatter().format(record) or record.levelname == "DEBUG"


def test_a_level_filters_ours_and_keeps_other_libraries_to_warnings(tmp_path: Path) -> None:
    configure("info", json=True, file=tmp_path / "bot.log")
    get_logger("btccxt.test").debug("too fine")
    get_logger("btccxt.test").info("ours")
    logging.getLogger("ccxt.base").info("their chatter")
    logging.getLogger("ccxt.base").warning("their warning")
    assert [line["event"] for line in lines_of(tmp_path / "bot.log")] == ["ours", "their warning"]


def test_configuring_again_replaces_the_former_output(tmp_path: Path) -> None:
    configure("info", json=True, file=tmp_path / "one.log")
    configure("error", json=True, file=tmp_path / "two.log")
    get_logger("btccxt.test").info("quiet")
    get_logger("btccxt.test").error("loud")
    assert (tmp_path / "one.log").read_text() == ""
    assert [line["event"] for line in lines_of(tmp_path / "two.log")] == ["loud"]


def test_reset_leaves_no_handler_and_lets_events_reach_the_root_again(tmp_path: Path) -> None:
    configure("info", file=tmp_path / "bot.log")
    reset()
    for name in ("btccxt", "ccxt", "aiohttp"):
        logger = logging.getLogger(name)
        assert (logger.handlers, logger.level, logger.propagate) == ([], logging.NOTSET, True)


@pytest.mark.parametrize(("level", "hint"), [("wraning", "did you mean 'warning'"), ("xyz", "use one of")])
def test_an_unknown_level_is_refused_with_the_nearest_one(level: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=hint):
        configure(level)


def test_a_log_file_that_cannot_be_written_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        configure("info", file=tmp_path)
