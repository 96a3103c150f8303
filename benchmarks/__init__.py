"""What Forewarn claims, measured beside a baseline: `python -m benchmarks`."""
