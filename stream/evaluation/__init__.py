"""Simulated shops and measurements of what the models reach."""
