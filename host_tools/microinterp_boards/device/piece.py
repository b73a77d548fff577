"""Write a piece of a file."""
# mypy: ignore-errors


def _piece(path, offset, data):
    """Bytes come in hex, and the same piece may come twice."""
    from binascii import unhexlify

    data = unhexlify(data)
    with open(path.decode(), "r+b" if offset else "wb") as file:
        file.seek(offset)
        if file.write(data) != len(data):
            raise OSError(28)
