"""Where the numbers of a training lie: exponents, float16's window, a verdict."""
