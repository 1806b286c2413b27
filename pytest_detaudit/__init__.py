"""The pytest plugin of detaudit: fixture, marker and lock, registered with pytest by a later release."""
