"""`forewarn detect` and `replay`: what fires, and what would have."""
