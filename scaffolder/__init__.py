"""newmodel: from nothing to a PyCharm project that trains, fine-tunes and gets measurably better."""
