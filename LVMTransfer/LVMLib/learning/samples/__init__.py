"""From pairs to crops: working grid, cache, normalisation, augmentation."""
