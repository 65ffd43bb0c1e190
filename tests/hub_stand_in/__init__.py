"""A stand-in of the Hugging Face hub on loopback, for the hub's own client."""

from __future__ import annotations

from hub_stand_in.hub import Hub, Request
from hub_stand_in.repositories import Repository

__all__ = ["Hub", "Repository", "Request"]
