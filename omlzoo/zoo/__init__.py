"""The zoo: building models by their names, and exporting models for other programs."""
