"""Integer networks: operators, sites, runner, model files and the registry of models."""
