"""A trained network: bundle, model card, prediction."""
