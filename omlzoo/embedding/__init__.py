"""Images to vectors, in memory, in a file, in a folder that grows, or on many machines."""
