"""The order lifecycle, its journal and its reconciliation."""
