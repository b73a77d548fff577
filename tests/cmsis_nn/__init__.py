"""CMSIS-NN itself, built for this machine, beside the profile cmsis-nn."""
