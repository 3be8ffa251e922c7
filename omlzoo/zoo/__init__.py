"""Names to working models, and models to files of other programs."""
