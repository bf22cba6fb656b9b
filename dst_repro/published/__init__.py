"""Numbers as printed in papers."""
