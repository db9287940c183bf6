"""Views of the ledger in a browser: reads, never trains."""
