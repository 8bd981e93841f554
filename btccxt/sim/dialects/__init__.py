"""Wire formats that unmodified ccxt.pro speaks, one file each."""
