"""Talks to a presence server over HTTP, from Trio."""
