"""Self-contained HTML pages: no file beside them, no request to anywhere."""
