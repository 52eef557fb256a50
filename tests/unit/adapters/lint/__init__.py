"""Looking over bundles."""
