"""Tables, pictures and their preprocessing into the input of a model."""
