"""Tells what a generator puts on an ADC pin: flat, sine, square or triangle.

The model gets 64 samples in order of their size, from the lowest at -127 to the highest at 127:
that looks the same wherever in its period the signal is caught.

Takes 16-bit samples from the file `recording` where there is one, else from the pin.
"""

from array import array
from time import sleep_us, ticks_diff, ticks_us

from microinterp import app, models

LABELS = ("flat", "sine", "square", "triangle")
COUNT, PERIOD = 64, 500  # samples, microseconds
QUIET = 1000  # of 65,535: a smaller span is noise


class Recording:
    """Samples from a file: 16 bits each, little-endian."""

    def __init__(self, path):
        self._file = open(path, "rb")  # noqa: SIM115 - open as long as the program

    def read_into(self, samples):
        """Fill `samples`, an array of "H"; False at the end."""
        return self._file.readinto(samples) == 2 * len(samples)


class Pin:
    """A pin, as ADC(26) of a Raspberry Pi Pico."""

    def __init__(self, number):
        from machine import ADC

        self._adc = ADC(number)

    def read_into(self, samples):
        """Fill `samples`, one every PERIOD."""
        begin = ticks_us()
        for i in range(len(samples)):
            samples[i] = self._adc.read_u16()
            sleep_us(max(0, PERIOD * (i + 1) - ticks_diff(ticks_us(), begin)))
        return True


def prepare(samples, values):
    """Fill `values`, as the model takes them."""
    ordered = sorted(samples)
    low, span = ordered[0], ordered[-1] - ordered[0]
    for i in range(COUNT):
        value = 254 * (ordered[i] - low) // span - 127 if span >= QUIET else 0
        values[i] = value & 255


def main():
    try:
        sensor = Recording("recording")
    except OSError:
        sensor = Pin(26)
    waveform = models.load("waveform")
    values = waveform.input_view(0)
    samples = array("H", bytes(2 * COUNT))
    number = 0
    while sensor.read_into(samples):
        prepare(samples, values)
        waveform.invoke()
        scores = list(waveform.get_output(0))
        print(number, LABELS[scores.index(max(scores))], scores)
        number += 1
        app.alive()


main()
