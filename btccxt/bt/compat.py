"""The only place that imports backtrader, so that ``backtrader_next`` can follow with one edit."""

from __future__ import annotations

import backtrader as bt

__all__ = ["bt"]
