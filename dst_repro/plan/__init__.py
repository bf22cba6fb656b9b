"""From YAML to runs. Nothing here imports torch."""
