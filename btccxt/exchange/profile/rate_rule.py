"""What the mapping table says of an exchange's rate limits: its allowances, and what each call costs of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field, model_validator

from btccxt.exchange.profile.order_rule import Part


class Pool(Part):
    """One allowance: ``capacity`` weight per ``window_ms``; ``header`` names the answer's used-weight header.

    ``leaks``: the exchange counts up to ``capacity`` and lets the count fall evenly, by all of it in ``window_ms``.
    """

    capacity: float = Field(gt=0)
    window_ms: int = Field(gt=0)
    header: str | None = None
    leaks: bool = False


class RateRule(Part):
    pools: Mapping[str, Pool] = Field(default_factory=lambda: {"requests": Pool(capacity=5, window_ms=1_000)})
    weights: Mapping[str, Mapping[str, float]] = Field(default_factory=dict)

    def weight(self, method: str) -> Mapping[str, float]:
        """Pool -> weight of one call of a ccxt method (``create_order``, ``fetch_ohlcv`` …)."""
        return self.weights.get(method) or self.weights.get("other") or {next(iter(self.pools)): 1}

    def seconds_of(self, methods: Iterable[str]) -> float:
        """How long the exchange's whole allowance takes to give what one call of each of these costs."""
        costs: dict[str, float] = {}
        for method in methods:
            for pool, weight in self.weight(method).items():
                costs[pool] = costs.get(pool, 0.0) + weight
        pools = self.pools
        return max(cost * pools[name].window_ms / pools[name].capacity for name, cost in costs.items()) / 1_000

    @model_validator(mode="after")
    def _pools_exist(self) -> RateRule:
        for method, costs in self.weights.items():
            for pool in costs:
                if pool not in self.pools:
                    raise ValueError(
                        f"weights of {method} name the pool {pool!r}, which is not among {sorted(self.pools)}"
                    )
        return self
