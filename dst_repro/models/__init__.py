"""Networks: one file a family. A builder takes the input's shape and the number of classes."""
