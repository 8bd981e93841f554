"""Answers that make no sense: whole bodies, and true ones with a figure, a field or a row spoiled."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

PAGE = "<html><head><title>403 Forbidden</title></head><body>cloudflare</body></html>"
BODIES: dict[str, tuple[int, str]] = {
    "a page": (200, PAGE),
    "nothing": (200, ""),
    "{}": (200, "{}"),
    "[]": (200, "[]"),
    "[{}]": (200, "[{}]"),
    "[null]": (200, "[null]"),
    "null": (200, "null"),
    "a string": (200, '"maintenance"'),
    "a number": (200, "42"),
    "true": (200, "true"),
    "half of it": (200, '{"a": [1, {"b": '),
    "NaN": (200, "NaN"),
    "deep": (200, "[" * 2_000 + "]" * 2_000),
    "wrong types": (200, '{"balances": 7, "serverTime": "soon", "symbol": [], "result": [], "data": 3, "error": {}}'),
    "empty envelopes": (
        200,
        '{"code": "0", "retCode": 0, "error": [], "result": {}, "data": [], "msg": "", "status": "ok"}',
    ),
    "envelopes of nulls": (200, '{"code": null, "retCode": null, "error": null, "result": null, "data": null}'),
    "envelopes of wrong types": (200, '{"code": [], "retCode": {}, "error": 3, "result": 7, "data": "x", "status": 1}'),
    "rows of wrong types": (200, '[["x", null, {}, [], "NaN", "1e999"], {"orderId": [], "symbol": 3}]'),
    "a maintenance message": (200, '{"msg": "System is under maintenance."}'),
    "an error of Bybit": (200, '{"retCode": 10016, "retMsg": "server error", "result": {}}'),
    "an error of OKX": (200, '{"code": "50001", "msg": "Service temporarily unavailable", "data": []}'),
    "an error of Kraken": (200, '{"error": ["EService:Unavailable"]}'),
    "an error of Binance": (400, '{"code": -9999, "msg": "something new"}'),
    "a firewall's 403": (403, PAGE),
    "a proxy's 404": (404, PAGE),
    "a gateway's 502": (502, PAGE),
    "three megabytes": (200, json.dumps({"rows": ["x" * 1_000] * 3_000})),
}
_VALUES: tuple[Any, ...] = (
    None, "", "abc", "NaN", float("nan"), "Infinity", float("-inf"), -1, "-1", "-0.5", 0, "0", 1e308, "1e308", 10**30,
    1e-300, True, False, [], {}, [[]], [None], "x" * 5_000, "2030-01-01T00:00:00Z", 4_000_000_000_000_000_000, "\u0000",
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*path, key)
        yield from places(each, (*path, key))


def spoiled(body: bytes, rng: random.Random) -> bytes:
    """The true body with one to three of its places changed."""
    try:
        value = json.loads(body)
    except ValueError:
        return b"\xff\x00"
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        found = list(places(value))
        if not found:
            break
        path = rng.choice(found)
        holder = value
        for key in path[:-1]:
            holder = holder[key]
        what = rng.random()
        if what < 0.15:
            del holder[path[-1]]
        elif what < 0.2 and isinstance(holder, list):
            holder.append(holder[path[-1]])
        else:
            holder[path[-1]] = rng.choice(_VALUES)
    return json.dumps(value).encode()
