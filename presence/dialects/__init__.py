"""Protocols, pure: bytes to commands, views to bytes."""
