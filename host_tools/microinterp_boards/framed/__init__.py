"""The framed link: requests and answers that survive a bad line; schemas/link.md specifies it."""
