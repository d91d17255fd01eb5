"""Delivers replies: a ledger of what is to be posted, changed or withdrawn, and the way out to the platforms.

No decisions about tickets live here, and nothing but `bootstrap` sees the whole service.
"""
