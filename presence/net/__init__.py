"""The HTTP port: requests, WebSockets, sessions, limits."""
