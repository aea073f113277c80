"""One image: resolve, pin, build, verify, push."""
