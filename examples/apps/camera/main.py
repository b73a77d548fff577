"""Reads digits on paper: a grey frame of 32 x 32 pixels, 8 x 8 cells of ink, the digits model.

Takes frames from the file `recording` where there is one, else from the camera of an OpenMV board.
"""

from microinterp import app, models

SIZE, CELL = 32, 4  # pixels of a frame's side, and of a cell's
PAPER = 255  # grey value of paper; ink is dark


class Recording:
    """Frames from a file, 1,024 bytes each."""

    def __init__(self, path):
        self._file = open(path, "rb")  # noqa: SIM115 - open as long as the program

    def read_into(self, frame):
        """Fill `frame`; False at the end."""
        return self._file.readinto(frame) == len(frame)


class Camera:
    """OpenMV's module `sensor`: the middle of a QQVGA frame, every third pixel."""

    def __init__(self):
        import sensor

        sensor.reset()
        sensor.set_pixformat(sensor.GRAYSCALE)
        sensor.set_framesize(sensor.QQVGA)  # 160 x 120
        sensor.skip_frames(time=1000)
        self._snapshot = sensor.snapshot

    def read_into(self, frame):
        """Fill `frame`."""
        picture = self._snapshot()
        for y in range(SIZE):
            for x in range(SIZE):
                frame[SIZE * y + x] = picture.get_pixel(32 + 3 * x, 12 + 3 * y)
        return True


def ink_of(frame, cells):
    """Fill `cells`, as the model takes them, with the ink of each cell, 0 to 16."""
    for row in range(8):
        for column in range(8):
            light = 0
            for y in range(CELL * row, CELL * row + CELL):
                start = SIZE * y + CELL * column
                for at in range(start, start + CELL):
                    light += frame[at]
            dark = CELL * CELL * PAPER - light
            ink = (dark + PAPER // 2) // PAPER  # to the nearest of 0 to 16
            cells[8 * row + column] = (15 * ink - 128) & 255  # scale 1/240, zero point -128


def main():
    try:
        sensor = Recording("recording")
    except OSError:
        sensor = Camera()
    digits = models.load("digits_int8")
    cells = digits.input_view(0)
    frame = bytearray(SIZE * SIZE)
    number = 0
    while sensor.read_into(frame):
        ink_of(frame, cells)
        digits.invoke()
        scores = list(digits.get_output(0))
        print(number, scores.index(max(scores)), scores)
        number += 1
        app.alive()


main()
