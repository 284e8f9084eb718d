"""Triage: network, metric and a stage of this project."""
