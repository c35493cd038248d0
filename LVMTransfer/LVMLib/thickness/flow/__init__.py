"""The lines of the heat flow, the surfaces that they join, and which of them may be believed."""
