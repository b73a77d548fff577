"""Random graphs of every operator: what grows them, and one small entry per operator."""
