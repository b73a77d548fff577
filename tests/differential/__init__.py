"""Random models of every operator and type, run by TFLM's wheel and here, compared byte by byte."""
