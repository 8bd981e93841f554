from typing import Any

class _BaseResampler:
    params: Any
    p: Any

class Resampler(_BaseResampler): ...
class Replayer(_BaseResampler): ...
