"""Work on btccxt itself, from a checkout: ``python -m btccxt.dev``."""
