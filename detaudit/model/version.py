"""The version of this package, for files and messages."""

VERSION = "0.1.0"
