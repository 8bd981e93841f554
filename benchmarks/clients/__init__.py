"""The contenders: btccxt, a bare ccxt loop, raw aiohttp with orjson. Each runs in a process of its own."""
