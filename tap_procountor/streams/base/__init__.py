"""What a stream can be; the modules beside this folder declare those there are.

A stream names its path, its key and the component of the specification that its records follow, and
picks the way it is read by its base class:

- ``full_table``, all of it at each run: ``SingleCallStream``, ``PagedStream``, ``DetailedStream``.
- ``batched``, by page number with batches of details: ``BatchedStream``.
- ``incremental``, what has changed by ``version`` and id: ``IncrementalStream``,
  ``DocumentStream``; in one answer, ``unpaged``; by a date of the rows, ``dated``; the receipts of
  the ledger, ``ledger``.
- ``owned``, rows that take requests of their own for each document: ``OwnedStream``.
- ``rows``, rows that stand inside the records of another stream: ``RowStream``.
- ``downloading``, files: ``DownloadStream``.

All are a ``ProcountorStream`` (``stream``), and those with requests a ``ReadStream`` (``read``).
"""
