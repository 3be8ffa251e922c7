"""What a model is worth on a table: metrics, findings, thresholds, and the pages that show them."""
