"""Figures: one file each. A plot is a pure function of the aggregated frames."""
