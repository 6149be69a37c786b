"""Wires only: HTTP to the services and back."""

from octavo.server.app import App

__all__ = ["App"]
