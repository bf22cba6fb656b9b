"""The templates of pages."""
