import sys


def work(message):
    """Says what it works on, and ends as the test tells it to."""
    print(message.decode(), flush=True)
    if sys.stdin.readline() != 'done\n':
        raise Exception('the test wants the work to fail')
