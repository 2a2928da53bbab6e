# lets the configurations be found as a package
