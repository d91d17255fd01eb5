"""The Web API's methods, a file for each family. Each takes checked arguments, changes state through the same
`Messages` and `Places` as people do, and returns what goes beside `"ok": true`; refusals are `SlackError`.
"""
