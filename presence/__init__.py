"""A presence server: who is online, away, busy or gone, told at once."""
