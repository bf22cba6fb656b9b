"""Tables: one file each. A table is a pure function of the aggregated frames."""
