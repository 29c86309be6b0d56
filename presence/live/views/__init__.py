"""The table of public views, and the lists and snapshots made of it."""
