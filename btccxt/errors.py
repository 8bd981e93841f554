"""The error tree. Each class says what the caller should do.

    BtccxtError
    ├── Retryable                 nothing happened; the same call may be made again later
    │   ├── ConnectionLost        the socket or the request broke; reconnect or repeat
    │   ├── RateLimited           wait ``retry_after_s``, then repeat
    │   ├── ClockSkew             re-measure the exchange's clock, then repeat
    │   │   └── NonceRefused      a later request with the same key overtook it; the clock is right, repeat
    │   ├── ExchangeUnavailable   maintenance, 5xx, circuit breaker open; wait
    │   └── Unreadable            an answer to a read that makes no sense; it changes nothing, ask again
    ├── Fatal                     repeating cannot help; a person has to change something
    │   ├── ConfigError           config, mapping table or arguments are wrong
    │   │   └── MissingKeys       no place has the keys that the mode needs
    │   ├── AuthenticationFailed  keys are wrong, expired or lack a permission
    │   ├── Unsupported           this exchange (or its profile) cannot do this
    │   ├── JournalError          the order journal cannot be used; nothing was overwritten
    │   ├── LakeError             the history on disk cannot be used; nothing of it was lost
    │   ├── StateMismatch         journal and exchange disagree; trading has stopped
    │   └── MissingBars           the exchange itself has no bars for a range, and gaps='raise' was asked for
    ├── Refused                   the order was not placed; ``reasons`` has every reason
    ├── OrderNotFound             the exchange said explicitly that it does not know the order
    └── OrderOutcomeUnknown       *ambiguous*: the order may have been placed; ask, never resend

A network failure while *creating* an order is never ``Retryable``: it is ``OrderOutcomeUnknown``.
"""

from __future__ import annotations

from collections.abc import Sequence


class BtccxtError(Exception):
    """Base of everything that btccxt raises on purpose."""


class Retryable(BtccxtError):
    """Nothing happened at the exchange; the same call may be made again later."""


class ConnectionLost(Retryable):
    """The socket or the request broke before an answer came."""


class RateLimited(Retryable):
    """The exchange asked us to slow down. ``retry_after_s`` is its own figure, or None."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ClockSkew(Retryable):
    """A signed request fell outside the exchange's time window; re-measure its clock."""


class NonceRefused(ClockSkew):
    """A later signed request with the same key came before this one; nothing is wrong with the clock."""


class ExchangeUnavailable(Retryable):
    """Maintenance, a 5xx answer to a read, or an open circuit breaker."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unreadable(Retryable):
    """An answer to a read that makes no sense: a page, half a message, impossible figures, an unknown error.

    It changes nothing that is believed; the same may be asked again.
    """


class Fatal(BtccxtError):
    """Repeating the call cannot help; a person has to change something."""


class ConfigError(Fatal):
    """The config, the mapping table or an argument is wrong; the text names the place."""


class MissingKeys(ConfigError):
    """The mode needs keys, and no place has them: the text names every place."""


class AuthenticationFailed(Fatal):
    """The keys are missing, wrong, expired or lack a permission."""


class Unsupported(Fatal):
    """This exchange, or what its profile proves of it, cannot do this."""


class JournalError(Fatal):
    """The order journal cannot be used (another owner, newer schema, damage, full disk)."""


class LakeError(Fatal):
    """The lake cannot be used (full disk, no permission, another version, another writer); nothing of it was lost."""


class StateMismatch(Fatal):
    """Journal and exchange disagree in a way nobody can explain; trading has stopped."""


class MissingBars(Fatal):
    """The exchange itself has no bars for a range, and the data was told ``gaps='raise'``."""


class Refused(BtccxtError):
    """The order was not placed. ``reasons`` holds every reason, not only the first."""

    def __init__(self, reasons: Sequence[str] | str) -> None:
        self.reasons: tuple[str, ...] = (reasons,) if isinstance(reasons, str) else tuple(reasons)
        super().__init__("; ".join(self.reasons))


class OrderNotFound(BtccxtError):
    """The exchange said explicitly that it does not know this order. Never a network error."""


class OrderOutcomeUnknown(BtccxtError):
    """The order may have been placed. Ask the exchange by client order id; never resend blindly."""

    def __init__(self, message: str, client_order_id: str | None = None) -> None:
        super().__init__(message)
        self.client_order_id = client_order_id
