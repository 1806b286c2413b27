"""Value -> 16-byte digest: position-, sign-, dtype- and shape-aware; equal exactly when the bits are."""
