"""The commands of `forewarn`, one file a subject. What is slow to load is loaded inside them."""
