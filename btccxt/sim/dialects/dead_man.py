"""Dead man's switches: an account's orders are cancelled unless its owner is heard in time."""

from __future__ import annotations


class DeadMansSwitches:
    """One timer per account, on the exchange's clock; once it has run out it is off."""

    def __init__(self) -> None:
        self._due_ms: dict[str, int] = {}

    def arm(self, account: str, timeout_s: int, now_ms: int) -> int:
        """Start the timer anew; 0 stops it. Returns when it is due."""
        due_ms = now_ms + timeout_s * 1000
        if timeout_s:
            self._due_ms[account] = due_ms
        else:
            self._due_ms.pop(account, None)
        return due_ms

    def arm_until(self, account: str, due_ms: int | None) -> None:
        """The same for a time; None stops it."""
        if due_ms is None:
            self._due_ms.pop(account, None)
        else:
            self._due_ms[account] = due_ms

    def run_out(self, now_ms: int) -> list[str]:
        """Accounts whose time is over; their timers are off now."""
        due = [account for account, due_ms in self._due_ms.items() if now_ms >= due_ms]
        for account in due:
            del self._due_ms[account]
        return due
