"""The page that operators look at."""
