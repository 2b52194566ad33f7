"""The one error a user's mistake raises."""


class UserError(Exception):
    """Bad input; the message names file, line or key, what is accepted, what came.

    The command line prints it without a traceback and exits with 1.
    """
