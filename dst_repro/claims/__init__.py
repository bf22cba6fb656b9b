"""What papers say, as rules: each a pure function of the frames, with its threshold, its statistic and its runs."""
