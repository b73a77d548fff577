"""Hears which of four tones is whistled: frames of 64 ms at 8 kHz through a model on raw samples.

Takes 16-bit samples from the file `recording` where there is one, else from a microphone with I2S.
"""

from microinterp import app, models

LABELS = ("silence", "500 Hz", "1000 Hz", "2000 Hz", "3000 Hz")
RATE, FRAME = 8000, 512  # samples a second, and a frame


class Recording:
    """Sound from a file: 16 bits a sample, mono, little-endian."""

    def __init__(self, path):
        self._file = open(path, "rb")  # noqa: SIM115 - open as long as the program

    def read_into(self, sound):
        """Fill `sound`; False at the end."""
        return self._file.readinto(sound) == len(sound)


class Microphone:
    """A microphone as INMP441 or ICS-43434; pins as on a Raspberry Pi Pico, for instance."""

    def __init__(self):
        from machine import I2S, Pin

        pins = {"sck": Pin(16), "ws": Pin(17), "sd": Pin(18)}
        kind = {"mode": I2S.RX, "bits": 16, "format": I2S.MONO}
        self._i2s = I2S(0, rate=RATE, ibuf=8 * FRAME, **pins, **kind)

    def read_into(self, sound):
        """Fill `sound`; waits until so much was heard."""
        return self._i2s.readinto(sound) == len(sound)


def main():
    try:
        sensor = Recording("recording")
    except OSError:
        sensor = Microphone()
    tones = models.load("tones")
    samples = tones.input_view(0)
    sound = bytearray(2 * FRAME)
    number = 0
    while sensor.read_into(sound):
        for i in range(FRAME):
            samples[i] = sound[2 * i + 1]  # the high byte: the sample / 256, rounded down
        tones.invoke()
        scores = list(tones.get_output(0))
        print(number, LABELS[scores.index(max(scores))], scores)
        number += 1
        app.alive()


main()
