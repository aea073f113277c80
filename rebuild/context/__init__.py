"""Contexts: what builds copy from, wherever it lies, as a folder of this machine; and folders as streams.

`where.Source.parse` reads what a person wrote, `fetch.fetch` brings it into a folder, `folder.pack` makes a
stream of a folder and `unpack.unpack` a folder of a stream. Nothing is imported here: to read a source's
text should not cost the import of an HTTP client.
"""
