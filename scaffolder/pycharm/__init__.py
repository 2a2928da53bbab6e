"""What newmodel does with the PyCharm of this machine."""
