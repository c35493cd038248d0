"""From a label map to the two surfaces of its wall, as signed distances on the grid of the solver."""
