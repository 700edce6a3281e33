"""What a stream can be; the modules of ``streams`` declare those there are.

A stream names its path, its key and the component of the specification that its records follow, and
picks the way it is read by its base class:

- ``full_table``: all of it at each run.
- ``incremental``: what has changed, by ``version`` and id; ``unpaged``: the same in one answer;
  ``dated``: by a date of the rows.
- ``owned``: rows that take requests of their own for each document.
- ``rows``: rows that stand inside the records of another stream.
- ``batched``: lists by page number with batches of details.
- ``downloading``: files.
"""
