"""The price book: what providers charge, as data of the package. `lookup.py` reads it.

`genai.json.gz` is made of the package genai-prices (MIT, its version and date are in its head), `cny.json` of `cny.toml`, both by
`tools/make_price_book.py`. `faq.toml` is no price list of anybody: it is the FAQ's table, for `waystation prices load faq`.
"""
