"""Actors on Trio."""
