"""The session: one thread, one loop, its connections, its supervised streams, the doorbell."""
