"""The search page and the HTTP API over an open index: ``omlzoo serve``."""
