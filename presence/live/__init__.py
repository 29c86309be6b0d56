"""The actors of the domain, and the tables that they share."""
