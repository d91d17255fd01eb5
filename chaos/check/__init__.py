"""The rules that a campaign's facts must keep. Pure: facts in, violations out; nothing here asks a running part."""
