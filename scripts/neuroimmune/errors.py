"""The one exception for mistakes that the user can repair."""


class UserError(Exception):
    """Bad input or configuration: what is wrong, where, and what to do; one text a problem.

    Scripts print it on the console and exit 1; anything else is our bug and keeps its
    traceback in the log.
    """

    def __init__(self, *problems):
        super().__init__(*problems)
        self.problems = problems

    def __str__(self):
        if len(self.problems) == 1:
            return self.problems[0]
        return "\n".join([f"{len(self.problems)} problems:", *self.problems])


def some(names, most=8):
    """The first names in one text, with how many more there are."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
