"""``btccxt init``: a config file, a strategy and a file for keys, to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from btccxt.exchange.profile.profile_schema import Profile

CONFIG = """\
# Settings of btccxt: a profile for each way to run. Choose one with --profile, or
# CCXTStore.from_config("btccxt.yaml", "paper"). Every option: btccxt config options; is this right: btccxt config check
# Keys do not belong here but into .env beside it, the environment, or the system's keyring.

x-common: &common                # what all profiles share; names beginning with x- are yours
  exchange: {exchange}
  # market_type: linear          # perpetual contracts; default: spot, where the exchange has it
  # currency: {coin}               # what cash and value are counted in
  # on_stop: leave               # leave | cancel | flatten: what becomes of open orders when the bot stops
  # lake: ~/lake                 # folder where history is kept (btccxt download fills it)
  # log: {{level: info, file: bot.log, json: true}}
  # alerts: ["tgram://bottoken/chatid"]       # Apprise addresses; pip install 'btccxt[alerts]'
  # metrics_port: 9100           # Prometheus; pip install 'btccxt[metrics]'

profiles:
  sim:                           # the embedded exchange: offline, no keys, as fast as you like
    <<: *common
    mode: sim
    balance: 10000
    sim: {{speed: 60, seed: 1}}

  paper:                         # real prices, orders are filled in this process: no keys, no money
    <<: *common
    mode: paper
    balance: 10000
    journal: paper.sqlite3       # the account lives there; without it, it ends with the process

{testnet}  live:                          # REAL MONEY; btccxt run asks before it begins
    <<: *common
    mode: live
    # dead_mans_switch_s: 60     # the exchange cancels all orders if it has not heard from us for so long
"""

TESTNET = """\
  testnet:                       # the exchange's testnet: its own keys, play money
    <<: *common
    mode: testnet
    key_env: {prefix}_TESTNET    # keys of the testnet stand in variables that begin so

"""

STRATEGY = '''\
"""Buys when the fast average crosses above the slow one, sells when it crosses back. Plain backtrader."""

import backtrader as bt


class Averages(bt.Strategy):
    params = dict(fast=5, slow=20, share=0.5)

    def __init__(self):
        self.cross = bt.ind.CrossOver(bt.ind.SMA(period=self.p.fast), bt.ind.SMA(period=self.p.slow))

    def next(self):
        if self.data._laststatus != self.data.LIVE and self.data.islive():
            return  # history: the averages warm up, nothing is sent
        if self.cross > 0 and not self.position:
            self.buy(size=self.p.share * self.broker.getvalue() / self.data.close[0])
        elif self.cross < 0 and self.position:
            self.close()
'''

DOTENV = """\
# Keys of btccxt's stores, read from the folder where a bot is started. Never commit this file.
# A key that may trade, not withdraw, bound to your address, is all that a bot needs.
{variables}
"""
NEXT = """\

next:{enter}
  btccxt run strategy.py --profile sim           # offline, sixty times faster than the clock; Ctrl-C ends it
  btccxt run strategy.py --profile paper         # real prices, no money
  btccxt doctor --profile paper                  # keys, clock, limits, sockets: no order is sent
  btccxt run strategy.py --profile live --plan   # what would be native, emulated or refused"""


def command(
    folder: Annotated[Path, typer.Argument(help="where to")] = Path("."),
    exchange: Annotated[str, typer.Option(help="ccxt id")] = "binance",
) -> None:
    """Write btccxt.yaml, strategy.py and .env; files that exist stay as they are."""
    from btccxt.config import CREDENTIALS
    from btccxt.errors import ConfigError
    from btccxt.store.keys import key_prefix

    profile = _profile(exchange)
    prefix = key_prefix(exchange)
    names = [f"{prefix}_{CREDENTIALS[name]}" for name in CREDENTIALS if name in profile.credentials]
    if profile.testnet != "none":
        names += [name.replace(prefix, f"{prefix}_TESTNET", 1) for name in names]
    texts = {
        "btccxt.yaml": config_text(exchange),
        "strategy.py": STRATEGY,
        ".env": DOTENV.format(variables="\n".join(f"# {name}=" for name in names)),
        ".gitignore": ".env\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            typer.echo(f"{_write(folder / name, text, private=name == '.env'):>8}  {folder / name}")
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be written: {error.strerror or error}") from None
    typer.echo(NEXT.format(enter="" if folder == Path(".") else f"\n  cd {folder}"))


def config_text(exchange: str) -> str:
    """The config file that is written for ``exchange``."""
    from btccxt.store.keys import key_prefix

    profile = _profile(exchange)
    testnet = "" if profile.testnet == "none" else TESTNET.format(prefix=key_prefix(exchange))
    return CONFIG.format(exchange=exchange, coin=profile.quote_currency, testnet=testnet)


def _profile(exchange: str) -> Profile:
    from btccxt.exchange.profile.profile import load_profile, market_types

    return load_profile(exchange, market_types(exchange)[0])


def _write(path: Path, text: str, *, private: bool) -> str:
    """What became of it, in one word."""
    if path.exists():
        return "is there"
    if private:
        from btccxt.resilience.files import private_file

        private_file(path)
    path.write_text(text, encoding="utf-8")
    return "written"
