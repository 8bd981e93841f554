"""Whether the installed ccxt still does what was proven: requests, streams, answers and internals, replayed offline.

``record.py`` reads what was proven (``proven/<exchange>.json``, written by ``python -m tests.exchange.prove``),
``intents.py`` lists what has to be proven of a profile, ``offline.py`` makes ccxt write down instead of send,
``replay.py`` does it all again, ``verdict.py`` says what follows for orders and streams.
"""
