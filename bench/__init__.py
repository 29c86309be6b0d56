"""What the server costs, measured beside others: see README.md of this folder."""
