"""Results of `board bench`, kept in a file of SQLite's: saved, compared, exported, drawn.

`environment` is what a result tells of where it was made, `record` a result that has been checked,
`store` the file of runs, `choose` how one of them is named, `comparison` two of them side by side.
"""
