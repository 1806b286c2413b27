"""Training scripts that are run, recorded and audited as a user's would be, without a line of detaudit."""
