"""How lists and documents are read: keyset pages, batches of details, both ahead of the writer.

Long lists are lazy generators. Requests run in the client's threads a bounded number ahead;
results come in the order of their ids, so that whatever has been written is a prefix of the list.
"""
