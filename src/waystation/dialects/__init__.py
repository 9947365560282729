"""The dialects in which models are asked and answer: each has a reader and a writer, and all meet in one vocabulary.

`ask.py` has what is asked, `saying.py` what is answered. A dialect is a file (or folder) here: it reads a request's body
into an `Ask` and writes one, reads an answer into `Saying`s and writes them. So N readers and M writers, not N x M.
Nothing here knows of networks, callers or money. A call whose provider speaks its own dialect never comes here.
"""
