"""What surrounds a running store for those who run it: the control socket, and systemd."""

from __future__ import annotations

from collections.abc import Callable

from btccxt.observe.systemd import ServiceManager
from btccxt.store.control import ControlledStore, ControlServer


class Operations:
    """One per store, from ``start`` to ``stop``. A store without any of it trades all the same."""

    def __init__(self, store: ControlledStore, trouble: Callable[[str, BaseException], None]) -> None:
        self._store = store
        self._trouble = trouble
        self._control: ControlServer | None = None
        self._service: ServiceManager | None = None

    def start(self, label: str, *, trades: bool) -> None:
        """The store is connected. ``trades``: it has a broker, and so something to be steered."""
        if trades:
            try:
                self._control = ControlServer(self._store, label)
            except OSError as error:
                self._trouble("the control socket", error)
        service, loop = ServiceManager(), self._store.cerebro_loop
        if service.is_there and loop is not None:
            service.ready(f"{label} runs")
            loop.every_loop.append(service.beat)
            self._service = service

    def stop(self) -> None:
        """Idempotent; bounded."""
        control, service, loop = self._control, self._service, self._store.cerebro_loop
        self._control = self._service = None
        if service is not None:
            service.stopping()
            if loop is not None:
                loop.every_loop.remove(service.beat)
        if control is not None:
            control.stop()
