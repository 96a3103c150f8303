"""Where tickets and metrics come from, one file a source: bytes to records."""
