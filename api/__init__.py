"""The endpoint's routes, one file a protocol."""
