"""What lives as long as a live run is set aside from the garbage collector.

Python's collector walks every object that it knows, with all threads standing still: with 1,000 symbols and the markets
of an exchange that is half a second, in which no bar arrives. What is there when a run has begun stays until it ends.
"""

from __future__ import annotations

import gc


class LongLivedObjects:
    """Of one run. Does nothing where the program keeps such objects itself (``gc.freeze``)."""

    def __init__(self) -> None:
        self._is_ours = False

    def set_aside(self) -> None:
        """All that there is now; takes no time, and may be called again."""
        if self._is_ours or gc.get_freeze_count() == 0:
            self._is_ours = True
            gc.freeze()

    def give_back(self) -> None:
        if self._is_ours:
            self._is_ours = False
            gc.unfreeze()
