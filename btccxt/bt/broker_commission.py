"""What a broker says of commissions: the user's own terms, else the rates of the market list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from btccxt.bt.broker_fund import FundCalls
from btccxt.bt.commission import CryptoCommInfo
from btccxt.bt.compat import bt
from btccxt.bt.ports import BrokerBackend
from btccxt.bt.positions import PositionBook
from btccxt.errors import ConfigError
from btccxt.model import Market


class CommissionBroker(FundCalls):
    """The part of ``CCXTBroker`` that answers ``getcommissioninfo``."""

    also_priced: frozenset[str] = frozenset()
    """Coins whose price is followed though the account need not have any: a routing broker counts in one."""

    def __init__(self, store: BrokerBackend) -> None:
        super().__init__()
        self.store = store
        self._books: PositionBook | None = None  # none before the start: the markets are not known then
        self._markets: Mapping[str, Market] = {}  # the same
        self._stock_default = self.comminfo[None]
        self._terms: dict[str | None, dict[str, Any]] = {}  # what the user said with setcommission, by name
        self._of_exchange: dict[tuple[str, str], CryptoCommInfo] = {}

    def getcommissioninfo(self, data: bt.AbstractDataBase) -> bt.CommInfoBase:
        """The user's for the data's name, for its symbol, for all; else what the market list says."""
        given = self.comminfo.get(data._name) or self.comminfo.get(data._dataname)
        if given is not None:
            return given
        terms = self._terms.get(data._name) or self._terms.get(data._dataname) or self._terms.get(None)
        default = self.comminfo[None]
        if terms is None and default is not self._stock_default:
            return default
        market = self._markets.get(data._dataname)
        if market is None:
            return default if terms is None else CryptoCommInfo(**terms)
        key = (data._name, market.symbol)
        if key not in self._of_exchange:
            self._of_exchange[key] = CryptoCommInfo.for_market(market, terms=terms)
        return self._of_exchange[key]

    def setcommission(
        self,
        commission: float = 0.0,
        margin: float | None = None,
        mult: float | None = None,
        commtype: int | None = None,
        percabs: bool = True,
        stocklike: bool | None = None,
        interest: float = 0.0,
        interest_long: bool = False,
        leverage: float = 1.0,
        automargin: bool | float = False,
        name: str | None = None,
    ) -> None:
        """Overrule the rate of the market list for estimates, of one data or (without a name) of all.

        Real fees come with each fill. What is not given (``mult``, ``stocklike``) stays as the market has it.
        Raises ConfigError for what no exchange of this kind has: a fee per unit, interest.
        """
        if commtype == bt.CommInfoBase.COMM_FIXED or interest or interest_long:
            raise ConfigError(
                "setcommission: exchanges take a share of the price and no interest; give commission=0.001"
            )
        terms: dict[str, Any] = {"commission": commission if percabs else commission / 100, "leverage": leverage}
        if mult is not None:
            terms["mult"] = mult
        if stocklike is not None or margin is not None or automargin:
            terms["stocklike"] = bool(stocklike) and margin is None and not automargin
        self._terms[name] = terms
        self._of_exchange.clear()
