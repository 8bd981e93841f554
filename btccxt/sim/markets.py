"""Market records in one line, and listings: a market with what its synthetic prices need to know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from btccxt.model import Market, MarketType


@dataclass(frozen=True, slots=True)
class Listing:
    """A market with the price it starts at and how lively it is (standard deviation of a day's return, in %)."""

    market: Market
    start_price: Decimal
    daily_volatility_pct: float = 3.0
    turnover_quote: float = 500_000.0  # per minute, about


def spot_market(
    symbol: str,
    price_step: str = "0.01",
    amount_step: str = "0.00001",
    min_cost: str = "5",
    maker: str = "0.001",
    taker: str = "0.001",
    min_amount: str | None = None,
    max_amount: str = "1000000000",
) -> Market:
    """``spot_market('BTC/USDT')``: steps and rates as decimal text."""
    base, quote = symbol.split("/")
    return Market(
        symbol,
        base,
        quote,
        None,
        MarketType.SPOT,
        active=True,
        price_step=Decimal(price_step),
        amount_step=Decimal(amount_step),
        min_amount=Decimal(min_amount or amount_step),
        max_amount=Decimal(max_amount),
        min_price=Decimal(price_step),
        max_price=Decimal("1000000000"),
        min_cost=Decimal(min_cost),
        maker_rate=Decimal(maker),
        taker_rate=Decimal(taker),
    )


def linear_market(
    symbol: str,
    price_step: str = "0.1",
    amount_step: str = "0.001",
    min_cost: str = "5",
    maker: str = "0.0002",
    taker: str = "0.0005",
    contract_size: str = "1",
    min_amount: str | None = None,
    max_amount: str = "1000000000",
) -> Market:
    """``linear_market('BTC/USDT:USDT')``: a perpetual contract; amounts are contracts."""
    pair, settle = symbol.split(":")
    spot = spot_market(pair, price_step, amount_step, min_cost, maker, taker, min_amount, max_amount)
    return replace(spot, symbol=symbol, settle=settle, type=MarketType.LINEAR, contract_size=Decimal(contract_size))


def inverse_market(
    symbol: str,
    price_step: str = "0.1",
    maker: str = "0.0002",
    taker: str = "0.0005",
    contract_size: str = "1",
) -> Market:
    """``inverse_market('BTC/USD:BTC')``: a perpetual contract worth a fixed amount of the quote currency.

    Amounts are whole contracts of ``contract_size`` quote units; margin, fees and profit are in the base coin.
    """
    linear = linear_market(symbol, price_step, "1", "1", maker, taker, contract_size)
    return replace(linear, type=MarketType.INVERSE)


def default_listings(quote: str = "USDT") -> list[Listing]:
    """Five coins against USDT, one cross pair, two perpetuals; steps as on Binance. Against USDC: as on Hyperliquid."""
    if quote == "USDC":
        return usdc_listings()
    return [
        Listing(spot_market("BTC/USDT"), Decimal("60000"), 3.0, 900_000.0),
        Listing(spot_market("ETH/USDT", amount_step="0.0001"), Decimal("3000"), 3.6, 500_000.0),
        Listing(spot_market("BNB/USDT", amount_step="0.001"), Decimal("600"), 3.2, 120_000.0),
        Listing(spot_market("SOL/USDT", amount_step="0.001"), Decimal("150"), 4.8, 200_000.0),
        Listing(spot_market("DOGE/USDT", price_step="0.00001", amount_step="1"), Decimal("0.12"), 5.5, 150_000.0),
        Listing(
            spot_market("ETH/BTC", price_step="0.00001", amount_step="0.0001", min_cost="0.0001"),
            Decimal("0.05"),
            1.8,
            2.0,
        ),
        Listing(linear_market("BTC/USDT:USDT"), Decimal("60000"), 3.0, 2_000_000.0),
        Listing(linear_market("ETH/USDT:USDT", price_step="0.01"), Decimal("3000"), 3.6, 1_200_000.0),
    ]


def usdc_listings() -> list[Listing]:
    """Prices of five digits."""
    return [
        Listing(spot_market("BTC/USDC", price_step="1", min_cost="10"), Decimal("60000"), 3.0, 900_000.0),
        Listing(spot_market("ETH/USDC", "0.1", "0.0001", "10"), Decimal("3000"), 3.6, 500_000.0),
        Listing(linear_market("BTC/USDC:USDC", price_step="1", min_cost="10"), Decimal("60000"), 3.0, 2_000_000.0),
        Listing(linear_market("ETH/USDC:USDC", "0.1", "0.001", "10"), Decimal("3000"), 3.6, 1_200_000.0),
    ]


def known_listings() -> list[Listing]:
    """The default ones, and those that are there for whoever names them: inverse contracts, and those in USDC."""
    inverse = Listing(inverse_market("BTC/USD:BTC"), Decimal("60000"), 3.0, 2_000_000.0)
    return [*default_listings(), inverse, *usdc_listings()]


def many_listings(count: int) -> list[Listing]:
    """``count`` spot markets C000/USDT, C001/USDT …"""
    return [Listing(spot_market(f"C{n:03d}/USDT", amount_step="0.001"), Decimal(20 + n % 180)) for n in range(count)]
