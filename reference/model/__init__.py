"""The reference model as trainable torch modules."""
