"""What a profile may say: the schema of the mapping table. ``profile.py`` reads and merges, this file only judges.

Every model is frozen and refuses keys it does not know. The head of ``exchanges.yaml`` explains the fields to users.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Any, Literal, TypeAlias

from pydantic import Field, PrivateAttr, field_validator, model_validator

from btccxt.errors import ConfigError
from btccxt.exchange.profile.archive_rule import ArchivesRule
from btccxt.exchange.profile.order_list_rule import OrderListRule
from btccxt.exchange.profile.order_rule import ORDER_KEYS, OrderRule, Part
from btccxt.exchange.profile.paging_rule import PagingRule
from btccxt.exchange.profile.rate_rule import Pool as Pool
from btccxt.exchange.profile.rate_rule import RateRule as RateRule
from btccxt.exchange.profile.status_rule import StatusRule as StatusRule
from btccxt.model import MarketType, OrderFeature, OrderKind, StreamKind


class ClientIdRule(Part):
    """What a client order id must look like, and how an order is found by it."""

    form: Literal["text", "integer", "hex", "uuid"] = "text"
    max_length: int = Field(default=32, ge=1, le=128)
    alphabet: str = "A-Za-z0-9"
    max_integer: int | None = None
    not_first: str = ""
    create: str = "clientOrderId"
    create_conditional: str | None = None
    wire: str | None = None
    wire_conditional: str | None = None
    wire_prefix: str = ""
    lookup: Literal["fetch_order", "open_and_closed_orders", "list_and_filter"] = "list_and_filter"
    lookup_conditional: Literal["fetch_order", "open_and_closed_orders", "list_and_filter"] | None = None
    query: Mapping[str, Any] = Field(default_factory=dict)
    query_conditional: Mapping[str, Any] | None = None
    query_id: str | None = None
    cancel: Mapping[str, Any] | None = None
    cancel_conditional: Mapping[str, Any] | None = None
    cancel_id: str | None = None
    cancels_conditional: bool = True
    duplicate_refused: Literal["always", "while_open", "no", "unknown"] = "unknown"
    duplicate_errors: tuple[str, ...] = ()
    duplicate_texts: tuple[str, ...] = ()

    @field_validator("alphabet")
    @classmethod
    def _an_alphabet(cls, value: str) -> str:
        try:
            re.compile(f"[{value}]")
        except re.error as error:
            raise ValueError(f"not a set of characters such as A-Za-z0-9_-: {error}") from None
        return value

    def lookup_for(self, conditional: bool) -> str:
        """How to ask after an order of which only the client id is known."""
        return self.lookup_conditional or self.lookup if conditional else self.lookup

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        if self.form == "hex":
            return re.compile(r"0x[0-9a-f]{32}")
        if self.form == "uuid":
            return re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
        if self.form == "integer":
            return re.compile(r"[1-9][0-9]*")
        return re.compile(f"[{self.alphabet}]{{1,{self.max_length}}}")

    def is_duplicate(self, error: BaseException) -> bool:
        """Whether the exchange's answer says that an order with this id exists already."""
        if self.duplicate_errors and type(error).__name__ not in self.duplicate_errors:
            return False
        return any(text in str(error) for text in self.duplicate_texts)

    def problem(self, client_order_id: str) -> str | None:
        """Why this id would not be accepted, or None."""
        if not self.pattern.fullmatch(client_order_id):
            return f"client order id {client_order_id!r} must be {self.describe()}"
        if self.max_integer is not None and self.form == "integer" and int(client_order_id) > self.max_integer:
            return f"client order id {client_order_id} must be at most {self.max_integer}"
        if self.not_first and client_order_id[0] in self.not_first:
            return f"client order id {client_order_id!r} must not begin with one of {self.not_first!r}"
        return None

    def describe(self) -> str:
        if self.form == "hex":
            return "0x and 32 hexadecimal digits"
        if self.form == "uuid":
            return "a UUID in small letters"
        if self.form == "integer":
            return "a positive integer"
        return f"1 to {self.max_length} characters of [{self.alphabet}]"


class BalanceLayout(Part):
    """Where one kind of answer or frame has the wallet of each coin: with all positions closed for nothing.

    ``rows`` is the path of the coins (a list, a mapping by coin, or the one coin itself; empty: the whole answer).
    A figure is the sum of its terms: paths within a coin, ``-`` before one subtracts, ``*`` stands for every element
    of a list. The first term has to be there. ``used`` is a sum as well; without it ``free`` tells it.
    """

    rows: str = ""
    currency: str = "currency"
    coin: str = ""
    """The only coin, where its rows do not name it."""
    names: Mapping[str, str] = Field(default_factory=dict)
    """The exchange's name of a coin -> ccxt's."""
    total: tuple[str, ...]
    used: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


class BalanceRule(Part):
    """The account's balances: what ccxt has to be asked with, and where the exchange's own figures stand.

    The first layout that fits counts; a pushed frame that fits none tells no balance.
    """

    query_params: Mapping[str, Any] = Field(default_factory=dict)
    stream_params: Mapping[str, Any] = Field(default_factory=dict)
    layouts: tuple[BalanceLayout, ...] = ()


class PositionRule(Part):
    """Where an answer or a frame has what ccxt leaves out of a position or misreads."""

    signed_amount_fields: tuple[str, ...] = ()
    """The amount in contracts, negative where it is short."""
    entry_fields: tuple[str, ...] = ()
    entry_quotients: tuple[tuple[str, str], ...] = ()
    time_fields: tuple[str, ...] = ()
    """When it changed last; ccxt tells of some exchanges when it was opened."""


class ConditionalRule(Part):
    """Trigger orders: whether they live in a book of their own, and what their id becomes."""

    separate_book: bool = False
    query_params: Mapping[str, Any] = Field(default_factory=dict)
    cancel_params: Mapping[str, Any] = Field(default_factory=dict)
    open_params: tuple[Mapping[str, Any], ...] = ()
    closed_params: tuple[Mapping[str, Any], ...] = ()
    stream_params: Mapping[str, Any] | None = None
    fetch_order: bool = True
    id_after_trigger: Literal["same", "new"] = "same"
    default_trigger_price: Literal["last", "mark", "index"] = "last"
    kinds: tuple[str, ...] = (
        "stop",
        "stop_limit",
        "take_profit",
        "take_profit_limit",
        "trailing_amount",
        "trailing_percent",
    )


class BarRule(Part):
    """The candle stream. ``sends_empty_bars``: a bar without trades exists too, flat and of volume 0."""

    stream: bool = True
    sends_empty_bars: bool = False
    without_stream: Literal["rest", "trades"] = "trades"
    closed_flag: str | None = None
    one_timeframe_per_symbol: bool = False
    keeps_last_candle_only: bool = False
    starts_with_history: bool = False
    timeframes: tuple[str, ...] = ()
    names: Mapping[str, str] = Field(default_factory=dict)  # timeframe -> the exchange's own, where ccxt's is wrong


class HistoryRule(Part):
    """Candles by REST."""

    page_size: int = Field(default=500, ge=1)
    max_candles_back: int | None = None
    forming_included: bool = True


class Rename(Part):
    """A frame that ccxt drops, told to it again with another word in ``field``."""

    field: str
    said: str
    meant: str


class WebSocketRule(Part):
    keep_alive_ms: int = Field(default=20_000, ge=1_000)
    keys_per_frame: int = Field(default=1, ge=1)
    keys_per_connection: int = Field(default=100, ge=1)
    frame_interval_ms: int = Field(default=250, ge=0)
    batch: Mapping[str, str] = Field(default_factory=dict)
    ends: tuple[Mapping[str, str], ...] = ()
    """Frames after which a subscription is dead and ccxt tells nobody: path -> value, all of one entry."""
    renames: tuple[Rename, ...] = ()


class StreamRule(Part):
    """Which streams exist, and what the private ones leave out."""

    trades: bool = True
    ticker: bool = True
    order_book: bool = True
    orders: bool = True
    fills: bool = True
    balance: bool = True
    positions: bool = False

    def has(self, kind: StreamKind) -> bool:
        return kind is StreamKind.BARS or bool(getattr(self, kind.value))


class DeadMansSwitchRule(Part):
    available: bool = False
    max_timeout_ms: int | None = None


Switch: TypeAlias = Literal["sandbox", "demo", "none"]
"""How ccxt is led to another environment: ``set_sandbox_mode``, ``enable_demo_trading``, or not at all."""


class EndDate(Part):
    """When the exchange has announced to switch something off."""

    on: date
    what: str


class AccountRule(Part):
    """Accounts that are not served: how they are told, and what their owner can do.

    ``ask`` is a ccxt method whose answer has the account's kind at ``field``; ``errors`` are what the exchange answers
    to such an account.
    """

    ask: str | None = None
    field: str = ""
    unserved: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    why: str = ""

    @model_validator(mode="after")
    def _complete(self) -> AccountRule:
        if (self.ask is None) is not (not self.unserved) or (self.ask is None) is not (not self.field):
            raise ValueError("account: ask, field and unserved go together")
        if (self.unserved or self.errors) and not self.why:
            raise ValueError("account: what is not served needs a why")
        return self


class PositionModeRule(Part):
    """Where an account says that it holds a long and a short position side by side.

    ``ask`` is a ccxt method; the value at ``field`` of its answer is one of ``hedged`` then.
    """

    ask: str = "fetch_position_mode"
    argument: Literal["symbol", "none"] = "symbol"
    field: str = "hedged"
    hedged: tuple[str, ...] = ("True",)
    one_way_words: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Order parameters that name a position, and what they say where a symbol has only one."""


class HedgeRule(Part):
    """How an order of an account in hedge mode names its position, and where answers name it.

    ``field`` is the name both of ccxt's parameter and of the field on the wire, ``long`` and ``short`` what it says.
    No order carries ``reduce_only`` there: one that closes a side cannot open the other.
    """

    field: str
    long: str
    short: str
    order_fields: tuple[str, ...] = Field(min_length=1)
    fill_fields: tuple[str, ...] = ()
    closed_fields: tuple[str, ...] = ()
    """Of a fill that names no position: how much it closed. Whatever closed something opened nothing."""

    def word(self, position_side: str) -> str:
        return self.long if position_side == "long" else self.short

    def position_side(self, word: object) -> str | None:
        """Of the exchange's word; None for that of one-way mode."""
        return {self.long: "long", self.short: "short"}.get(str(word))


class Profile(Part):
    """What btccxt knows of one exchange and one market type."""

    exchange: str
    market_type: MarketType
    name: str = ""
    known: bool = True
    same_as: str | None = None
    about: str = ""
    testnet: Switch = "none"
    demo: Switch = "none"
    no_testnet: str = ""
    """Why there is none, or no longer."""
    ends: Mapping[Literal["live", "testnet", "demo"], EndDate] = Field(default_factory=dict)
    account: AccountRule = AccountRule()
    position_mode: PositionModeRule = PositionModeRule()
    hedge: HedgeRule | None = None
    """None: nobody has proven how this exchange is traded in hedge mode."""
    margin_mode_param: str | None = None
    """ccxt's parameter for the margin mode, where every order names one instead of the account having it."""
    brackets_in: Literal["notional", "contracts", "unproven"] = "unproven"
    """What ccxt's ``maxNotional`` of a leverage tier counts here."""
    quote_currency: str = "USDT"
    settle_currency: str | None = None
    credentials: tuple[str, ...] = ("apiKey", "secret")
    orders: Mapping[str, OrderRule]
    order_lists: OrderListRule | None = None
    client_id: ClientIdRule = ClientIdRule()
    statuses: StatusRule = StatusRule()
    balances: BalanceRule = BalanceRule()
    positions: PositionRule = PositionRule()
    conditional: ConditionalRule = ConditionalRule()
    bars: BarRule = BarRule()
    history: HistoryRule = HistoryRule()
    my_trades: PagingRule = PagingRule()
    closed_orders: PagingRule = PagingRule()
    streams: StreamRule = StreamRule()
    websocket: WebSocketRule = WebSocketRule()
    rate: RateRule = RateRule()
    dead_mans_switch: DeadMansSwitchRule = DeadMansSwitchRule()
    market_slippage_pct: float = Field(default=5, gt=0, lt=50)
    price_significant_digits: int | None = None
    amounts_in: Literal["contracts", "base"] = "contracts"
    funding_amounts: Literal["received", "paid"] = "received"
    trades_until: bool = False
    """Public trades since a time are only told up to another one."""
    ticker_from: Literal["ticker", "order_book"] = "ticker"
    """What a price is asked of by REST; the best of the order book where ccxt has no ticker."""
    trades_listed: bool = True
    """ccxt's ``fetch_trades`` tells those of the market; False: it tells others, or the account's own."""
    trade_ids: Literal["common", "different", "learned"] = "learned"
    """Whether the stream and REST give a public trade one id; ``learned``: nobody has said, what comes will show."""
    transfers: Literal["lists", "ledger"] = "lists"
    """Where money that came or went is listed: ccxt's deposits and withdrawals, or the account's ledger."""
    leverage_param: str | None = None
    """ccxt's parameter for the leverage that every order names: the account's own, or the store's ``leverage=``."""
    market_id: str = "{id}"
    """What orders call a market, made of ccxt's record of it."""
    wire: Mapping[str, Any] = Field(default_factory=dict)
    path: str | Mapping[str, str] | None = None
    signed_by: Literal["unknown", "counter", "time"] = "unknown"
    """What makes a signature good once: a number that only rises, so that no request may overtake another, or a time.

    Of one that is unknown no request is signed long before it leaves.
    """
    envelope: Mapping[str, Literal["text", "number", "list"]] = Field(default_factory=dict)
    """Fields that every answer of the exchange has: one without them comes from somebody else, or is half of one."""
    not_found_texts: tuple[str, ...] = ()
    """How it says that it does not know an order, where ccxt takes that for another error."""
    order_requests: tuple[str, ...] = ()
    harmless_requests: tuple[str, ...] = ()
    visibility_delay_ms: int = Field(default=1_000, ge=0)
    query_params: Mapping[str, Any] = Field(default_factory=dict)
    closed_lists: tuple[Mapping[str, Any], ...] = Field(default=({},), min_length=1)
    fetch_order_finds: Literal["all", "open"] = "all"
    edit: Literal["native", "no"] = "no"
    edit_client_id: str | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    archives: ArchivesRule = ArchivesRule()
    notes: tuple[str, ...] = ()
    _plans: dict[Any, Any] = PrivateAttr(default_factory=dict)

    @property
    def plans(self) -> dict[Any, Any]:
        """The guard's notes on what each kind of request must carry, made once."""
        return self._plans

    @model_validator(mode="before")
    @classmethod
    def _known_orders(cls, value: object) -> object:
        if isinstance(value, Mapping):
            for key in value.get("orders") or ():
                if key not in ORDER_KEYS:
                    raise ValueError(f"orders: unknown key {key!r}")
        return value

    def switch_to(self, environment: Literal["testnet", "demo"]) -> Switch:
        """How ccxt gets there. Raises ConfigError where this exchange has no such environment."""
        switch = self.testnet if environment == "testnet" else self.demo
        if switch == "none":
            other = "demo" if environment == "testnet" else "testnet"
            instead = f"mode={other!r} or " if (self.demo if other == "demo" else self.testnet) != "none" else ""
            why = f" ({self.no_testnet})" if self.no_testnet else ""
            raise ConfigError(
                f"{self.exchange} {self.market_type.value} has no {environment} that ccxt can reach{why}; "
                f"use {instead}mode='paper' or mode='sim'"
            )
        return switch

    def asks_for_one(self, *, by_id: bool, conditional: bool) -> bool:
        """Whether ``fetch_order`` can find the order, also when it is done; else its lists have to be searched."""
        if self.fetch_order_finds == "open" or (conditional and not self.conditional.fetch_order):
            return False
        return by_id or self.client_id.lookup_for(conditional) == "fetch_order"

    def rule(self, key: OrderKind | OrderFeature | str) -> OrderRule:
        """The rule of an order kind or feature; every key of the two enums has one."""
        return self.orders[key.value if isinstance(key, (OrderKind, OrderFeature)) else key]
