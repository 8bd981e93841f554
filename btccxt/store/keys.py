"""Where API keys come from: the config, the environment, a file ``.env``, the system's keyring; never two mixed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from btccxt.config import CREDENTIALS, Mode, StoreConfig, nearest
from btccxt.errors import ConfigError, MissingKeys

DOTENV = Path(".env")
KEYRING_SERVICE = "btccxt"


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """Keys by ccxt's names, which show in no ``repr``, and where they are from ('' where there are none)."""

    values: Mapping[str, str] = field(repr=False, default_factory=dict)
    source: str = ""


def resolve_keys(
    exchange: str,
    mode: Mode | str,
    config: StoreConfig | Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    required: Collection[str] | None = None,
) -> dict[str, str]:
    """The keys to sign with, plain, by ccxt's names. The result goes to ccxt and to nobody else.

    ``config`` is a StoreConfig or ccxt's own dict. The other sources count only in the modes that need keys.
    ``required`` names what the exchange wants (default: what ccxt says of it). Raises ConfigError naming what is
    missing and where it could stand.
    """
    if mode not in [each.value for each in Mode]:
        raise ConfigError(f"mode {mode!r} is not possible{nearest(str(mode), [each.value for each in Mode])}")
    mode = Mode(mode)
    found = find_keys(exchange, config, environ, elsewhere=mode.needs_keys)
    if not mode.needs_keys:
        return dict(found.values)
    wanted = _required_credentials(exchange) if required is None else required
    missing = [name for name in CREDENTIALS if name in wanted and name not in found.values]
    if missing:
        prefix = key_prefix(exchange, config)
        variables = ", ".join(f"{prefix}_{CREDENTIALS[name]}" for name in missing)
        hint = f"; other places are not asked, because {found.source} has keys" if found.source else ""
        raise MissingKeys(
            f"{exchange} in mode {mode.value!r} needs keys: {', '.join(missing)} missing. Put them under 'keys' in the "
            f"config, or set {variables} in the environment, in a file .env here, or in the system's keyring "
            f"(service {KEYRING_SERVICE!r}){hint}"
        )
    return dict(found.values)


def find_keys(
    exchange: str,
    config: StoreConfig | Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    elsewhere: bool = True,
) -> FoundKeys:
    """The first source that has any; ``elsewhere``: beyond the config. Raises ConfigError for one that is broken."""
    if isinstance(config, StoreConfig):
        plain = config.keys.for_ccxt()
    else:
        plain = {name: str(value) for name, value in (config or {}).items() if name in CREDENTIALS and value}
    if plain or not elsewhere:
        return FoundKeys(plain, "the config" if plain else "")
    prefix = key_prefix(exchange, config)
    for source, values in _sources(prefix, os.environ if environ is None else environ):
        found = {name: values.get(f"{prefix}_{ending}", "").strip() for name, ending in CREDENTIALS.items()}
        if any(found.values()):
            return FoundKeys({name: value for name, value in found.items() if value}, source)
    return FoundKeys()


def key_prefix(exchange: str, config: StoreConfig | Mapping[str, Any] | None = None) -> str:
    """How the variables with this exchange's keys begin."""
    given = config.key_env if isinstance(config, StoreConfig) else None
    return given or "BTCCXT_" + re.sub(r"\W", "_", exchange).upper()


def _sources(prefix: str, environ: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "the environment", environ
    yield f"the file {DOTENV}", _dotenv()
    yield "the keyring", _keyring(prefix)


def _dotenv() -> Mapping[str, str]:
    if not DOTENV.is_file():
        return {}
    from dotenv import dotenv_values

    try:
        return {name: value for name, value in dotenv_values(DOTENV, interpolate=False).items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{DOTENV.absolute()} cannot be read: {error}") from None


def _keyring(prefix: str) -> Mapping[str, str]:
    """What the system keeps under the variables' names; nothing where it has no keyring."""
    if find_spec("keyring") is None:
        return {}
    import keyring
    import keyring.errors

    names = [f"{prefix}_{ending}" for ending in CREDENTIALS.values()]
    try:
        return {name: value for name in names if (value := keyring.get_password(KEYRING_SERVICE, name))}
    except keyring.errors.NoKeyringError:
        return {}
    except keyring.errors.KeyringError as error:
        raise ConfigError(f"the system's keyring cannot be read ({error}); unlock it, or set {names[0]} …") from None


def _required_credentials(exchange: str) -> Collection[str]:
    import ccxt  # heavy, and needed only here

    known = getattr(ccxt, exchange, None) if exchange in ccxt.exchanges else None
    if known is None:
        return ("apiKey", "secret")
    return [name for name, wanted in known().requiredCredentials.items() if wanted]
