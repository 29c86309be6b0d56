"""WebSockets: the upgrade, the connection, the frames and their limits."""
