"""What others get of users: the table of public views, and lists and snapshots made of it."""
