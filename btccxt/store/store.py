"""CCXTStore: one exchange, one account; hands out Data and Broker that share its connections.

Lives in the strategy's thread. All network work happens in the session thread (``account_session.py``);
``start()`` is the only call that waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from btccxt.account.away import told_of_absence
from btccxt.bt.broker import CCXTBroker
from btccxt.bt.cerebro import CerebroLoop
from btccxt.bt.compat import bt
from btccxt.bt.other_stores import OF_BROKERS, no_such_argument
from btccxt.bt.ports import RunBroker
from btccxt.bt.routing import RoutingBroker, check_accounts
from btccxt.bt.warmup_policy import Then, WarmUp, WarmUpPolicy
from btccxt.config import Mode, ModeName
from btccxt.errors import ConfigError, ConnectionLost
from btccxt.exchange.api import ExchangeAPI
from btccxt.exchange.profile.profile import current_name, load_profile
from btccxt.notices import MoneyMoved, NoticeKind, StoreNotice
from btccxt.observe.alerts import AlertKind
from btccxt.observe.log import EventName, get_logger
from btccxt.observe.redact import register_secret
from btccxt.orders.journal.journal import MEMORY, Journal, account_fingerprint
from btccxt.orders.risk import TradingState
from btccxt.orders.trading_state import TradingControl
from btccxt.resilience.shared_budget import SharedBudget, open_budget
from btccxt.session.loop_thread import Session
from btccxt.session.status_file import StatusReporter, status_directory
from btccxt.session.streams import Decide
from btccxt.sim.dialects import quote_of
from btccxt.store.account_session import AccountSession
from btccxt.store.backend import StoreBackend
from btccxt.store.build_config import build_config
from btccxt.store.config_file import load_options
from btccxt.store.contracts import in_position_mode, prepare_contracts
from btccxt.store.hints import start_hints
from btccxt.store.history import keep_markets
from btccxt.store.keys import resolve_keys
from btccxt.store.listeners import Listeners
from btccxt.store.notifier import Notifier
from btccxt.store.operations import Operations
from btccxt.store.order_entry import StoreOrders
from btccxt.store.self_check import self_check, warning
from btccxt.store.shutdown import end_orders
from btccxt.store.startup import (
    MONEY,
    account_lasts,
    check_currency,
    check_switch,
    ending,
    market_type_of,
    open_journal,
    profile_of,
    start_balances,
    tracker_policy_of,
)

if TYPE_CHECKING:
    from btccxt.store.venues import ExchangeConnection

log = get_logger(__name__)

_numbers = itertools.count(1)
_STOP_TIMEOUT_S = 10.0


class CCXTStore(StoreBackend):
    """Connects backtrader to one exchange account.

    ``exchange``: a ccxt id, or an ``ExchangeAPI`` of your own. ``mode``: 'sim' (the embedded exchange, offline),
    'paper' (default: real data, simulated fills), 'testnet', 'demo', 'live'. ``config`` goes to ccxt as it is. Every
    other option is a field of ``StoreConfig`` (``btccxt/config.py``), where it is explained; it may stand in the config
    file or the environment as well. ``decide(error, attempts)``: your word on which errors of a stream are worth
    another try. Keys come from ``config`` or the environment (``BTCCXT_<EXCHANGE>_API_KEY``, ``_SECRET``,
    ``_PASSWORD``).

    Raises ConfigError at once for what is wrong in the arguments; nothing is sent before ``start()``.
    """

    def __init__(
        self,
        exchange: str | ExchangeAPI | None = None,
        mode: ModeName | Mode | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        decide: Decide | None = None,
        **options: Any,
    ) -> None:
        name = exchange.id if isinstance(exchange, ExchangeAPI) else exchange
        given = {"exchange": name, "mode": mode, "config": config, **options}
        settings = build_config({name: value for name, value in given.items() if value is not None})
        if not isinstance(exchange, ExchangeAPI):  # one account has one journal, whatever its exchange was called
            settings = settings.model_copy(update={"exchange": current_name(settings.exchange)})
        self.settings = settings
        self.mode = settings.mode
        self.name = settings.exchange
        self._exchange_given: str | ExchangeAPI = exchange if isinstance(exchange, ExchangeAPI) else settings.exchange
        if isinstance(self._exchange_given, str):
            kind = market_type_of(self.name, settings.market_type)
            self.profile = load_profile(self.name, kind, settings.overrides, settings.overrides_at)
            if self.mode is Mode.TESTNET or self.mode is Mode.DEMO:
                self.profile.switch_to("testnet" if self.mode is Mode.TESTNET else "demo")
        else:
            self.profile = profile_of(self._exchange_given, settings)
        self._given_profile = self.profile
        usual = self.profile.quote_currency
        if self.mode is Mode.SIM and settings.sim_address is None:
            usual = settings.sim.currency(usual, quote_of(self.name))
        self.currency = settings.currency or usual
        # An instance has its own keys.
        wanted = self.profile.credentials if isinstance(self._exchange_given, str) else ()
        self._keys = resolve_keys(self.name, self.mode, settings, required=wanted)
        for secret in (*settings.secrets(), *self._keys.values()):
            register_secret(secret)
        self._balances = start_balances(settings.balance, self.currency)
        self._policy = tracker_policy_of(settings.tracker, self.profile)
        self._decide = decide
        check_switch(settings, self.profile, self._exchange_given)
        self._prepare_news()
        self._prepare_history()
        self._prepare_backend()
        self._session: Session | None = None
        self._venue: ExchangeConnection | None = None
        self._account_session: AccountSession | None = None
        self._journal: Journal | None = None
        self._journal_path: str | None = None
        self._reporter: StatusReporter | None = None
        self._broker: CCXTBroker | None = None
        self._warm_up: WarmUpPolicy | None = None
        self.trading = TradingControl(settings.trading_file)
        self.cerebro_loop: CerebroLoop | None = None
        self._notifier = Notifier(settings, self._notify)
        self._operations = Operations(self, self._notifier.trouble)
        self.orders = StoreOrders(self)
        """Orders from outside a strategy, from any thread."""
        self._lock = threading.Lock()
        self._holds = 0
        self.arrivals: deque[Any] = deque()

    @classmethod
    def from_config(cls, path: str | Path, profile: str | None = None, **options: Any) -> Self:
        """A store as one profile of a YAML file says (``btccxt/config.py`` shows one); ``options`` win over the file.

        Raises ConfigError.
        """
        decide = options.pop("decide", None)
        given = load_options(path, profile, options)
        return cls(**given) if decide is None else cls(**given, decide=decide)

    # -------------------------------------------------------------- what backtrader gets

    def getbroker(
        self,
        *,
        warmup: WarmUp | str | None = None,
        then: Then | str | None = None,
        max_bar_age_s: float | None = None,
        **unknown: Any,
    ) -> CCXTBroker:
        """The broker of this account; always the same one.

        ``warmup``, ``then``, ``max_bar_age_s``: what becomes of orders that an old bar asks for, where it is not what
        the store was given. Raises ConfigError, also for ``unknown``: words of other stores are answered.
        """
        for name in unknown:
            raise ConfigError(no_such_argument("getbroker", name, ("warmup", "then", "max_bar_age_s"), OF_BROKERS))
        if self._broker is None:
            self._broker = CCXTBroker(self)
        given = (warmup, then, max_bar_age_s)
        if self._warm_up is None or any(each is not None for each in given):
            settings = self.settings
            usual = (settings.warmup, settings.warmup_then, settings.max_bar_age_s)
            asked = WarmUpPolicy.of(*(own if own is not None else its for own, its in zip(given, usual, strict=True)))
            if asked != self._warm_up:
                self._warm_up = asked
                self._broker.warm_up(asked)
        return self._broker

    @staticmethod
    def broker_of(*stores: CCXTStore, currency: str | None = None) -> RoutingBroker:
        """One broker of several accounts: each order goes to the account of its data. See ``RoutingBroker``.

        ``currency``: of one of them, to count all in. Raises ConfigError where it is missing, and for an account twice.
        """
        names = [store.name for store in stores]
        titles = [name if names.count(name) == 1 else f"{name} {number}" for number, name in enumerate(names, start=1)]
        by_title = dict(zip(titles, stores, strict=True))
        accounts = {title: store.getbroker() for title, store in by_title.items()}
        check_accounts(accounts, {title: store._whose_money() for title, store in by_title.items()}, currency)
        return RoutingBroker(accounts, currency)

    def _whose_money(self) -> Any:
        """Equal for stores on one account; an account that ends with its store is its own."""
        if not account_lasts(self.settings):
            return id(self)
        where = self.settings.journal if self.mode is Mode.PAPER else self.settings.sim_address
        return self.name, self.mode, self.account, self.profile.market_type, where

    def attach_broker(self, broker: RunBroker) -> None:
        """Called by the broker when it learns its cerebro: the store takes part even without a data of its own."""
        CerebroLoop.of(broker.cerebro).attach(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Backtrader pickles a whole cerebro to optimise in several processes."""
        raise ConfigError(
            "other processes cannot share this store's connection. To optimise: bt.Cerebro(maxcpus=1), with data that "
            "end: getdata(..., historical=True)"
        )

    # -------------------------------------------------------------- life

    def start(self, data: bt.AbstractDataBase | None = None, broker: Any = None) -> None:
        """Connect; idempotent. Waits until markets, clock and (with a broker) account and orders are known.

        A store whose datas are all of the past and may lie in its lake connects only when one of them needs it. Raises
        ConfigError, AuthenticationFailed, ConnectionLost … after having cleaned up.
        """
        self._waits_for_need = self._broker is None and self._may_wait()
        if not self._waits_for_need:
            self._connect_now()

    def _connect_now(self) -> None:
        with self._lock:
            if self._account_session is not None:
                return
            if self._broker is not None:
                self._broker.arrivals.clear()  # of an earlier connection
            log.info(EventName.SESSION_STARTED, exchange=self.name, mode=self.mode.value, money=MONEY[self.mode])
            try:
                self._notifier.start()
                self._session = Session(f"btccxt {self.name}", on_error=self._notifier.trouble)
                self._session.start()
                self._check_ccxt(self._session)
                self._venue = self._connect(self._session)
                in_position_mode(self._venue, self.settings, self.profile)
                if (notice := ending(self.profile, self.mode, self._venue.clock.now_ms())) is not None:
                    self._notifier.say(notice)
                account_session = AccountSession(
                    self._session,
                    self._venue.exchange,
                    self._venue.clock,
                    self.profile,
                    self._listeners(),
                    self.settings.streams,
                    self._decide,
                    self.settings.dead_mans_switch_s,
                    self.lake(),
                )
                self._open_in_time(self._session, account_session)
                self._account_session = account_session
                self._reporter = StatusReporter(self.health, self._notifier.trouble, self.label)
                self._operations.start(self.label, trades=self._broker is not None)
            except BaseException:
                self._tear_down(locals().get("account_session"))
                raise
            log.info(
                EventName.STORE_STARTED,
                exchange=self.name,
                mode=self.mode.value,
                markets=len(self._account_session.markets),
            )
            if self._broker is not None and self.mode.needs_keys:
                self._notifier.say(f"{self.name}, mode {self.mode.value!r}: orders move {MONEY[self.mode]}")
            if self._broker is not None:
                self._say_hints(self._account_session)

    def variables(self, owner: str) -> str | None:
        """A strategy's own, as ``bt/persist.py`` kept them. Waits for the disk."""
        return None if self._journal is None else self._journal.variables(owner).result(_STOP_TIMEOUT_S)

    def keep_variables(self, owner: str, text: str) -> None:
        """Does not wait for the disk."""
        if self._journal is not None:
            self._journal.keep_variables(owner, text)

    def note(self, text: str) -> None:
        """A line in the journal, where there is one. Any thread."""
        journal, account_session = self._journal, self._account_session
        if journal is not None and account_session is not None:
            journal.note(text, account_session.clock.now_ms())

    def tell_operators(self, text: str) -> None:
        """To where alerts go. Any thread."""
        self._notifier.alert(AlertKind.OPERATOR, text, text)

    def _say_hints(self, account_session: AccountSession) -> None:
        hints = start_hints(
            self.mode,
            sorted({data._dataname for data in self._known_datas()}),
            account_session.markets,
            account_session.balances(),
            clock_off_ms=account_session.clock.offset_ms,
            keys_given=bool(self._keys),
            trading=self.trading.read(),
        )
        for text in (*told_of_absence(account_session.restored), *hints):
            self._notifier.say(text)

    def _check_ccxt(self, session: Session) -> None:
        """An exchange that somebody wrote himself needs no ccxt."""
        if not isinstance(self._exchange_given, str):
            return
        settings, timeout_s = self.settings, self.settings.start_timeout_s
        check = self_check(self._given_profile, self.mode, settings.changed_ccxt)
        self.verdict, self.profile = session.call(check, timeout=timeout_s)
        if self.profile is not self._given_profile:  # a stream may be gone
            self._policy = tracker_policy_of(settings.tracker, self.profile)
        if (text := warning(self.verdict, settings.changed_ccxt)) is not None:
            self._notifier.say(text)
            self._notifier.alert(AlertKind.CCXT_CHANGED, text)

    def _open_in_time(self, session: Session, account_session: AccountSession) -> None:
        timeout_s = self.settings.start_timeout_s
        try:
            session.call(self._open(account_session), timeout=timeout_s)
        except TimeoutError as error:
            raise ConnectionLost(
                f"{self.name} could not be opened within {timeout_s:g} s (start_timeout_s): it did not answer "
                f"{account_session.opening}. Is the exchange reachable from here?"
            ) from error

    def _connect(self, session: Session) -> ExchangeConnection:
        from btccxt.store.venues import connect, custom_venue  # ccxt and the embedded exchange: seconds of CPU

        if not isinstance(self._exchange_given, str):
            given, sends_orders = self._exchange_given, self._broker is not None
            return custom_venue(given, self.settings, self._balances, self._notifier.task, sends_orders=sends_orders)
        return connect(
            self.mode,
            self.profile,
            {**self.settings.ccxt_settings(), **self._keys},
            balances=self._balances,
            settings=self.settings,
            budget=self._open_budget(session),
            report=self._notifier.trouble,
            sends_orders=self._broker is not None,
            on_task=self._notifier.task,
        )

    def _open_budget(self, session: Session) -> SharedBudget | None:
        """Rate limits shared with other stores on this machine or key. Raises ConfigError if nobody answers there."""
        url = self.settings.rate_budget
        if url is None:
            return None
        scope = f"{self.name}:{account_fingerprint(self.name, self._keys.get('apiKey'))}"
        return session.call(open_budget(url.get_secret_value(), scope), timeout=self.settings.start_timeout_s)

    async def _open(self, account_session: AccountSession) -> None:
        if self._broker is not None:
            self._journal = journal = open_journal(self.settings, self._keys, self._notifier.alarm)
            self._journal_path = None if journal.path == MEMORY else journal.path
            self._keep_trading_state(journal.path)
            account_session.keep_paper_in(journal)
        await account_session.open()
        check_currency(self.name, self.currency, account_session.markets)
        if (lake := self.lake()) is not None:
            now_ms, trouble = account_session.clock.now_ms(), partial(self._notifier.trouble, "the lake")
            await asyncio.to_thread(keep_markets, lake, account_session.markets, now_ms, trouble)
        if self._journal is not None:
            await self._prepare_contracts(account_session)
            await account_session.open_account(self._journal, self._policy, lasting=account_lasts(self.settings))

    async def _prepare_contracts(self, account_session: AccountSession) -> None:
        """Before the account's orders are looked at: where it cannot be as the user wants it, nothing is traded."""
        account_session.contracts = await prepare_contracts(
            account_session.exchange,
            account_session.markets,
            {data._dataname for data in self._known_datas()},
            self.settings.contract_wishes,
            self._notifier.say,
            self._notifier.trouble,
            currency=self.currency,
            hedge_is_proven=self.profile.hedge is not None,
        )

    def _known_datas(self) -> list[bt.AbstractDataBase]:
        return [data for reference in self._datas if (data := reference()) is not None]

    def _keep_trading_state(self, journal: str) -> None:
        """Beside the journal; that of an account which ends with the process goes with it."""
        if journal != MEMORY:
            self.trading.keep_in(Path(f"{journal}.trading"))
        else:
            name = f"{self.label}-{os.getpid()}-{next(_numbers)}.trading"
            self.trading.keep_in(status_directory() / name, lasting=False)

    def set_trading_state(self, state: TradingState | str, why: str = "") -> None:
        """'active', 'reducing' (only what reduces exposure is sent) or 'halted'. Any thread. Raises ConfigError.

        It holds from the next order on, and after a restart. Cancels, and exits that are at work, always go on.
        """
        self.trading.set(state, why)

    def stop(self) -> None:
        """Disconnect; bounded and idempotent. Within ``kept_open`` nothing happens before its end."""
        with self._lock:
            if self._holds:
                return
            if self._account_session is not None and self._broker is not None and self.cerebro_loop is not None:
                end_orders(
                    self._broker,
                    self.cerebro_loop,
                    self.settings.on_stop,
                    self.settings.timeouts.stop_s,
                    self._notifier.say,
                )
            self._tear_down(self._account_session)

    def _tear_down(self, account_session: AccountSession | None) -> None:
        self._waits_for_need = False
        self._end("the control socket", self._operations.stop)
        self._forget_lake()
        session, venue, journal, reporter = self._session, self._venue, self._journal, self._reporter
        self._account_session = self._was_asked_of = None
        self._session = self._venue = self._journal = self._reporter = None
        with contextlib.ExitStack() as ends:  # last in, first out; one that raises keeps none of the others from ending
            ends.callback(self.trading.close)
            ends.callback(self._notifier.stop)
            if venue is not None:
                ends.callback(self._end, "the venue", venue.stop)
            if journal is not None:
                ends.callback(self._end, "the journal", journal.close)
            if session is not None:
                ends.callback(self._end, "the session", session.stop)
            ends.callback(self._end, "the connection", partial(self._close_session, session, account_session))
            if reporter is not None:
                ends.callback(self._end, "the status file", reporter.stop)
        if session is not None:
            log.info(EventName.STORE_STOPPED, exchange=self.name, mode=self.mode.value)

    def _end(self, name: str, end: Callable[[], object]) -> None:
        try:
            end()
        except Exception as error:  # noqa: BLE001 - whatever a part provokes at its end is said
            self._notifier.trouble(f"closing {name}", error)

    @staticmethod
    def _close_session(session: Session | None, account_session: AccountSession | None) -> None:
        if session is not None and session.is_running and account_session is not None:
            session.call(account_session.close(), timeout=_STOP_TIMEOUT_S)

    @contextlib.contextmanager
    def kept_open(self) -> Iterator[CCXTStore]:
        """Stay connected after ``cerebro.run()`` has ended, to look at the account; disconnects on leaving."""
        self._holds += 1
        try:
            yield self
        finally:
            self._holds -= 1
            self.stop()

    def _listeners(self) -> Listeners:
        return Listeners(
            order=self._tell_broker,
            account=self._tell_broker,
            alarm=self._notifier.alarm,
            stream=self._notifier.stream_changed,
            trouble=self._notifier.trouble,
            money=lambda transfers: self._notify(StoreNotice.of_money(MoneyMoved(transfers))),
            say=self._notifier.say,
            order_note=partial(self._notifier.say, kind=NoticeKind.ORDER),
            task=self._notifier.task,
        )

    # -------------------------------------------------------------- names

    @property
    def account(self) -> str:
        """Tells accounts apart without showing a key: part of the journal's name."""
        return account_fingerprint(self.name, self._keys.get("apiKey") or self._keys.get("walletAddress"))

    def keys_for_ccxt(self) -> dict[str, str]:
        """The plain keys. Hand them to ccxt and to nobody else."""
        return dict(self._keys)

    @property
    def journal_path(self) -> str | None:
        """Where the order journal was written last; None where nothing is kept on disk."""
        return self._journal_path

    @property
    def label(self) -> str:
        """What it is called in status, control and the records of runs."""
        return f"{self.name}-{self.profile.market_type.value}-{self.mode.value}"
