"""The commands of `forewarn`, one file a subject. Whatever is slow to load is loaded inside them."""
