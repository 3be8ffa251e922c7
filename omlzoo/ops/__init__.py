"""Computations on embeddings and labels: tensors in, tensors out."""
