"""Presence server."""
