"""The tables of docs/evidence.md: one file for each, with the rows that scripts/evidence.py runs by their names."""
