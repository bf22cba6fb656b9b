"""What helps a sparse network to train, whatever its method: added for a while, or changed at the start."""
