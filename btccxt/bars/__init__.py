"""From raw candles and trades to closed bars: each once, in order, no hole of our making."""
