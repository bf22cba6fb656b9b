"""What runs leave behind: their records, the frames of a suite, what it all took."""
