"""Tables, pictures and preprocessing, up to what a model is given."""
