"""``btccxt verify``: does an exchange do what its profile says? Asked of the exchange itself, check by check.

``subject.py`` is what a check may do, ``public.py`` and ``private.py`` hold the checks, ``suite.py`` runs them,
``report.py`` writes down what was proven, when and with which versions.
"""
