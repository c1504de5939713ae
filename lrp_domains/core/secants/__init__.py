"""The secant rules: each passes the difference between an input and a reference on exactly."""
