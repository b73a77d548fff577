"""What a board keeps, through the service: files, uploads that go on after a break, models."""
