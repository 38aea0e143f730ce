"""Model files of a trained model, and trained models of model files."""
