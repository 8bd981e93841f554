"""Connect backtrader to any exchange that ccxt knows."""
