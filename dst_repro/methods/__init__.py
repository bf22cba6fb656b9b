"""Methods of sparse training: one file each. See `base.Method` for the protocol."""
