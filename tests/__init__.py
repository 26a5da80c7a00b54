"""The tests are a package: a dependency of an extra installs one of this name too, which would hide them."""
