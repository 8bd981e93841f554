"""Where API keys come from: the config, else the environment; the two are never mixed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from typing import Any

from btccxt.config import CREDENTIALS, Mode, StoreConfig, nearest
from btccxt.errors import ConfigError


def resolve_keys(
    exchange: str,
    mode: Mode | str,
    config: StoreConfig | Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    required: Collection[str] | None = None,
) -> dict[str, str]:
    """The keys to sign with, plain, by ccxt's names: those of the config if it has any, else the environment's.

    The two are never mixed. The result goes to ccxt and to nobody else.

    ``config`` is a StoreConfig or ccxt's own dict. The environment counts only in the modes that need keys.
    ``required`` names what the exchange wants (default: what ccxt says of it). Raises ConfigError naming what is
    missing and where it could stand.
    """
    if mode not in [each.value for each in Mode]:
        raise ConfigError(f"mode {mode!r} is not possible{nearest(str(mode), [each.value for each in Mode])}")
    mode, prefix = Mode(mode), None
    if isinstance(config, StoreConfig):
        plain, prefix = config.keys.for_ccxt(), config.key_env
    else:
        plain = {name: str(value) for name, value in (config or {}).items() if name in CREDENTIALS and value}
    if not mode.needs_keys:
        return plain
    prefix = prefix or "BTCCXT_" + re.sub(r"\W", "_", exchange).upper()
    in_config = bool(plain)
    if not in_config:
        environ = os.environ if environ is None else environ
        found = {name: environ.get(f"{prefix}_{ending}", "").strip() for name, ending in CREDENTIALS.items()}
        plain = {name: value for name, value in found.items() if value}
    wanted = _required_credentials(exchange) if required is None else required
    missing = [name for name in CREDENTIALS if name in wanted and name not in plain]
    if missing:
        variables = ", ".join(f"{prefix}_{CREDENTIALS[name]}" for name in missing)
        hint = "" if not in_config else "; the environment is not asked, because the config has keys"
        raise ConfigError(
            f"{exchange} in mode {mode.value!r} needs keys: {', '.join(missing)} missing. "
            f"Put them under 'keys' in the config or set {variables}{hint}"
        )
    return plain


def _required_credentials(exchange: str) -> Collection[str]:
    import ccxt  # heavy, and needed only here

    known = getattr(ccxt, exchange, None) if exchange in ccxt.exchanges else None
    if known is None:
        return ("apiKey", "secret")
    return [name for name, wanted in known().requiredCredentials.items() if wanted]
