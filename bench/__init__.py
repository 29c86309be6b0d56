"""The cost of the server, measured beside others: see README.md of this folder."""
