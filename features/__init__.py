"""Pure functions on numpy and str."""
