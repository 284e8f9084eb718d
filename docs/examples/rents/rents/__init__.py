"""Rents: data, loss, metric and a stage of this project."""
