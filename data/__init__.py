"""Every edge that stores or fetches. Knows nothing of ours but its own records."""
