"""Errors as the API answers them."""

from __future__ import annotations


class ApiError(Exception):
    """An answer of the API that is no success."""

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"errors": [{"status": status, "message": message}]}
        if field:
            self.body["errors"][0]["field"] = field
