"""Masks, how densities are shared among layers, and schedules over training."""
