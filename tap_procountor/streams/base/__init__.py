"""What a stream can be; the modules beside this folder declare those there are.

A declaration picks when its rows are read by its base class: ``FullListStream`` or
``SingleCallStream`` (``full_table``), ``IncrementalStream`` (``incremental``), ``DatedStream``
(``dated``), ``LedgerStream`` (``ledger``), ``RowStream`` (``rows``), ``DownloadStream``
(``downloading``). How a list is paged and completed is a lister and a completer of ``readers``.
"""
