"""What the machine is and how it computes: devices, precision, compilation, versions."""
