"""Log, metrics, alerts. Know nothing of the rest."""
