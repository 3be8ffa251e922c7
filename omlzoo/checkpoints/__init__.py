"""Checkpoints: the manifest and its entries, downloads and the local cache, and foreign key layouts."""
