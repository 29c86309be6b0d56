"""Listening ports: they accept, and give every connection its task."""
