"""The markets of one profile, from ccxt's list of all; and what to say of a symbol that is not among them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from btccxt.errors import Unsupported
from btccxt.exchange.ccxt import translate
from btccxt.exchange.profile.profile import Profile
from btccxt.model import Market

_SHOWN_SYMBOLS = 3


def markets_of(profile: Profile, raw: Mapping[str, Any], precision_mode: int) -> Mapping[str, Market]:
    """Markets of the profile's type by unified symbol. Raises Unsupported if there are none."""
    in_base = profile.amounts_in == "base"
    found = {
        symbol: market
        for symbol, entry in raw.items()
        if (market := translate.market(entry, precision_mode, amounts_in_base=in_base)) is not None
        and market.type is profile.market_type
    }
    if not found:
        raise Unsupported(f"{profile.exchange} lists no {profile.market_type.value} markets")
    return found


def unknown_symbol(profile: Profile, symbol: str, markets: Mapping[str, Market]) -> str:
    """What is wrong, and which symbols may be meant."""
    near = difflib.get_close_matches(symbol.upper(), markets, n=_SHOWN_SYMBOLS, cutoff=0.6)
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; it has {len(markets)} others"
    return f"{profile.exchange} has no {profile.market_type.value} market {symbol!r}{hint}"
