"""Embeddings that answer queries with their nearest rows."""
