"""Statistics over seeds and cells."""
