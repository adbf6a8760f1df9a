"""What went wrong first, where tasks run beside each other."""


def first_failure(failure: BaseException) -> BaseException:
    """Return the first failure in a group of groups, or the failure itself."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure
