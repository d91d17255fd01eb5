"""The Bot API in machine-readable form: methods, their arguments and the types these are made of.

`telegram-bot-api-10.1.json` is made by `trim.py` from PaulSonOfLars/telegram-bot-api-spec (MIT, see LICENSE);
it is data and is never edited by hand.
"""
