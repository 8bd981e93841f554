"""An application that logs everything, or turns on ccxt's own chatter, still writes no key."""

from __future__ import annotations

import logging

from btccxt import CCXTStore

SECRETS = ("sim-key", "simsecretkey")


def start_and_stop(**config) -> None:
    store = CCXTStore("binance", mode="sim", journal=":memory:", sim={"speed": 60.0}, config=config)
    store.getbroker()
    store.start()
    store.stop()


def test_the_applications_own_debug_log_shows_requests_but_no_key(caplog):
    with caplog.at_level(logging.DEBUG):
        start_and_stop()
    assert "X-MBX-APIKEY" in caplog.text  # ccxt has written its signed requests
    assert not [secret for secret in SECRETS if secret in caplog.text]
    assert "signature=***" in caplog.text


def test_ccxts_verbose_output_shows_no_key(capsys):
    start_and_stop(verbose=True)
    shown = capsys.readouterr().out
    assert "X-MBX-APIKEY" in shown
    assert not [secret for secret in SECRETS if secret in shown]
