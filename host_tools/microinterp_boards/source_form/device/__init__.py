"""Code that the host sends to boards that run a generated module, one function per file.

As in microinterp_boards.device; besides, it runs in MicroPython 1.9, whose smallest firmware has no
sys.stdout, no binascii and no bytes.decode, and each text is at most 800 characters. `m` is the
module. Adler-32 guards what the line could damage.
"""
