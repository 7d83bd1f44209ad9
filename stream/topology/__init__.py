"""Kafka and Faust: how events come in and results go out. No arithmetic."""
