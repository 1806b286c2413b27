"""The nouns that pass between the rooms: plain data, no torch, no input or output (but for one codec)."""
