"""What makes the documentation site out of pages and code; mkdocs.yml names site.py as a hook."""
