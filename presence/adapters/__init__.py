"""Everything outside the process: the database, secrets and tokens."""
