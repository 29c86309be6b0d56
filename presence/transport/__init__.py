"""Bytes, sockets, HTTP and WebSockets; nothing about presence."""
