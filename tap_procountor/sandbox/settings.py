"""What the flags of the console script and the arguments of ``Sandbox`` say."""

from __future__ import annotations

from dataclasses import dataclass

from .books.books import Size

_FEWEST = 30
_MOST_PARTNERS = 5000
_MOST_PRODUCTS = 2000
_INVOICES_PER_REGISTER_ENTRY = 10


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Size and behaviour of a sandbox; the same settings always give the same data."""

    companies: int = 1
    invoices: int = 300
    """Per company, like the next two."""
    partners: int | None = None
    products: int | None = None
    seed: int = 1
    colliding_ids: bool = False
    documents: bool = True
    """Whether the Documents add-on is in use."""
    token_lifetime: int = 3600
    requests_per_second: int = 20
    """The server's limit per client; 0 is none."""
    requests_per_minute: int = 0
    latency_ms: float = 0
    jitter_ms: float = 0
    fail_rate: float = 0
    """The share of requests that the gateway answers with 503."""

    def size(self) -> Size:
        """Return the size of each company's books."""
        usual = max(_FEWEST, self.invoices // _INVOICES_PER_REGISTER_ENTRY)
        return Size(
            invoices=self.invoices,
            partners=self.partners or min(usual, _MOST_PARTNERS),
            products=self.products or min(usual, _MOST_PRODUCTS),
        )
