"""The keys of the embedded exchange's default account, where clients sign with a key and a secret."""

from __future__ import annotations

SIM_KEYS = {"apiKey": "sim-key", "secret": "simsecretkey", "password": "sim-password"}
