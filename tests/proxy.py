"""Where ``support.proxy`` was, until all branches import from there."""

from __future__ import annotations

from support.proxy import JSON, NOT_FOUND, Answer, Proxy, Question, without

__all__ = ["JSON", "NOT_FOUND", "Answer", "Proxy", "Question", "without"]
