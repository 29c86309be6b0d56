"""Administration over REST, and the addresses for operators."""
