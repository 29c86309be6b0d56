"""The ways in: one folder for each protocol, and what they share."""
