"""`newmodel doctor`: what is wrong with this machine or project, and how to mend it."""
