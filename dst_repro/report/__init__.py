"""What a suite has come to, as a page and as a few lines."""
