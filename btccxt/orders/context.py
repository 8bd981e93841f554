"""Keys of an order's ``context``: what is journaled with an order beside its request. All values are text.

Besides these: ``ref``, ``tradeid`` and ``data`` of the backtrader order, ``parent`` (its entry) and ``oco`` (the first
order of its group), both by client order id, and ``replaces`` (the order that it follows after an edit).
"""

from __future__ import annotations

EMULATED = "watch"
"""The exchange lacks this kind, or the coins are bound: it waits here for its price. The value says why, for people."""
EXPIRES = "expires_ms"
"""When the broker cancels the order, after a restart as well."""
TRAILS_FROM = "trails_from"
"""Of a trailing order that waits here: the price that the strategy saw, from which it trails."""
FIRES = "fires_ms"
"""Of an order that waits for a time instead of a price: when it is sent (exectype Close)."""
ON_UNPROTECTED = "on_unprotected"
"""What is done when a protective order cannot be placed: a word of ``policy.Unprotected``."""
PRIMARY = "primary"
"""Of a spawned order: the client order id of the order that it carries on."""
FOLLOWS = "follows"
"""Of an exit that was placed anew after its end, because its entry filled after all: which one it follows."""
ENTRY_PCT = "entry_pct"
"""Of an exit whose price lies so many per cent (signed) from the average price of its entry's fills."""
BACKSTOP = "backstop"
"""Of a trailing stop that waits here: a plain stop at the exchange follows it. How: 'plain' or 'reduce_only'."""
SLICES = "slices"
"""Of an iceberg order that the exchange does not have: how much of it is shown at a time."""
FUNDS = "waits_for"
"""Of an order that waited for its funds before it was sent: what for. No later program sends it."""
CLOSES = "closes"
"""Of an order that closes what brackets and pairs protect: ``group:amount``, separated by blanks."""
GROUPED = frozenset({EMULATED, PRIMARY, CLOSES, "parent", "oco"})
"""What an order has at least one of that waits here, is one of a group or closes what a group protects."""
